"""Fast inference on a CPU: fused convolutions, the precision at hand, int8."""
