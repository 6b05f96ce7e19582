"""Training over several sites that keep their images: `monai.fl.client.MonaiAlgo` of each, averaged weights between."""
