"""What learns: surrogates, their features, their training and inference tasks, and how a ranking is made from them.

``surrogate.py`` states what a surrogate promises; ``registry.py`` finds one by name; ``tasks.py`` holds the functions
that workers run. Importing any of these is cheap: TensorFlow, RDKit and scikit-learn are imported where they are used.
"""
