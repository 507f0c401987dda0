# Filled by the package step.
