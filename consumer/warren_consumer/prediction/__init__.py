"""Prediction: the `predict` task, the models that are loaded for it, and the one adapter of onnxruntime (`runtime`).

Forbidden here: the broker, the records, onnxruntime outside `runtime`, Pillow outside `image`.
"""
