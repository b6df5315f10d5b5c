"""Tools that a model may call.

    schema.py       JSON Schema from a Python function, and JSON arguments to its parameters
    toolbox.py      tools by name, and calls carried out

    @tool
    def get_weather(city: str, days: int = 1) -> str:
        '''Get the weather of a city.

        city: its name
        days: how many days ahead
        '''
"""

from .schema import schema_of
from .toolbox import Tool, Toolbox, tool

__all__ = ["Tool", "Toolbox", "schema_of", "tool"]
