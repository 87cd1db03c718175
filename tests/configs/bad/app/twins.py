from agents import Agent

cat = Agent("Cat", instructions="Purr.", model="gpt-4.1-mini")
dog = Agent(name="Cat", instructions="Bark.", model="gpt-4.1-mini")
