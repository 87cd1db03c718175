/** A value that React components subscribe to. */
import { useSyncExternalStore } from 'react';

export class Store<T> {
  #value: T;
  #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get = (): T => this.#value;

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  patch(part: Partial<T>): void {
    this.set({ ...this.#value, ...part });
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

/** Only a change of the part that is read draws the component again. */
export function usePart<T, P>(store: Store<T>, read: (value: T) => P): P {
  return useSyncExternalStore(store.subscribe, () => read(store.get()));
}
