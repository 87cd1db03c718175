def is_rude(ctx, text: str) -> bool:
    return "damn" in text
