"""trimtab makes one declarative ModelDeployment true and keeps it true."""

__version__ = "0.1.0"
