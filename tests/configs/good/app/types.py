from pydantic import BaseModel


class Order(BaseModel):
    price: float
