from agents import Agent
from pydantic import BaseModel


class Brief(BaseModel):
    brief: str


dog = Agent(name="Dog", output_type=Brief)
cat = Agent(name="Cat", model="gpt-4.1-mini", handoffs=[dog])
