"""Run folders sent to TensorBoard, MLflow and W&B, without torch. Imports comparison and what that may import."""
