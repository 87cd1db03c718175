"""A plain function as a tool."""


async def get_weather(city: str) -> str:
    """Tell the weather of a city.

    Args:
        city: The city.
    """
    return f"It is sunny in {city}."
