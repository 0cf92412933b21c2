"""The model as files: weights, tokenizer, chat text, engines that generate."""
