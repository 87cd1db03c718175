from agents import Agent
from pydantic import BaseModel


class Brief(BaseModel):
    brief: str


dog = Agent(name="Dog", output_type=Brief)
cat = Agent(name="Cat", model="gpt-6-luna", handoffs=[dog])
