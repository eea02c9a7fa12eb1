"""The files in a package."""

RDF = "rdf.yaml"
ONNX, TORCHSCRIPT = "model.onnx", "model.pt"
TEST_INPUT, TEST_OUTPUT = "test_input.npy", "test_output.npy"
SAMPLE_INPUT, SAMPLE_OUTPUT = "sample_input.tif", "sample_output.tif"
COVER, DOCUMENTATION = "cover.png", "README.md"
