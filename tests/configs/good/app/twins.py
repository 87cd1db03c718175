from agents import Agent

cat = Agent("Cat", instructions="Purr.", model="gpt-6-luna")
dog = Agent(name="Cat", instructions="Bark.", model="gpt-6-luna")
