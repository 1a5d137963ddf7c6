"""The SageMaker training and serving contracts in one small wheel."""

__version__ = "0.1.0"
