"""The sections of the report: each turns tables into one sentence, figures and tables with definitions."""
