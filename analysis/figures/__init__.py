"""The figures of the report, by section. Each function draws one; None where there is nothing to draw."""
