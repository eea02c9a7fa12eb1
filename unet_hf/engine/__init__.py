"""Fast inference on a CPU: fused convolutions, half precision, int8."""
