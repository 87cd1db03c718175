/** Actions of components: what they send, and what is shown until they have been carried out. */
import { createContext, use, useCallback, useRef, useState } from 'react';
import type { ActionConfig } from '../protocol/types';
import type { PageComponentSource } from './PageComponent';
import { record } from './values';

type Values = Record<string, unknown>;
type Loading = 'self' | 'container' | 'none';

export interface WidgetScope {
  /** Precedes the ids of the fields, which are unique in the page that way. */
  id: string;
  dark: boolean;
  locale: string;
  /** The names of the fields that a Label describes. */
  labelled: ReadonlySet<string>;
  /** Components of the page's own, by their types. */
  components: Readonly<Record<string, PageComponentSource>> | undefined;
  /** The whole widget waits for an action. */
  busy: boolean;
  send(action: ActionConfig): Promise<void>;
  /** Run with the whole widget inert. */
  whileBusy(work: () => Promise<void>): Promise<void>;
}

export const Scope = createContext<WidgetScope>(null as never);

/** The form around a component: its element, whose fields are read when an action is sent. */
export interface FormScope {
  values(): Values;
  /** Show the messages of the fields that are not valid, and return whether there were none. */
  valid(): boolean;
  submit(fallback?: ActionConfig): void;
}

export const FormContext = createContext<FormScope | null>(null);

/** Read a prop that holds an action; null for anything else. */
export const actionOf = (value: unknown): ActionConfig | null => {
  const action = record(value);
  return typeof action?.type === 'string' ? (action as unknown as ActionConfig) : null;
};

/** Put `value` at the path that a field's name is: `todo.title` is `{todo: {title}}`. */
const place = (target: Values, name: string, value: unknown): void => {
  const path = name.split('.');
  const last = path.pop() as string;
  let inner = target;
  for (const key of path) {
    if (key === '__proto__') return;
    const next = Object.hasOwn(inner, key) ? record(inner[key]) : (inner[key] = {});
    if (!next) return;
    inner = next as Values;
  }
  if (last === '__proto__') return;
  if (Object.hasOwn(inner, last)) console.warn(`the field ${name} is not sent: the payload of its action has that key`);
  else inner[last] = value;
};

/**
 * Return the payload of an action with the values of its form. A key that the payload has already is kept, as are
 * payloads that are not objects.
 */
export const withValues = (payload: unknown, values: Values): unknown => {
  const names = Object.keys(values);
  if (names.length === 0 || (payload != null && !record(payload))) return payload;
  const merged = structuredClone(record(payload) ?? {});
  for (const name of names) place(merged, name, values[name]);
  return merged;
};

/** Send actions of one component; `loading` while one runs that shows it on the component itself. */
export const useAction = (auto: Loading): { loading: boolean; run(action: ActionConfig, values?: Values): Promise<void> } => {
  const scope = use(Scope);
  const form = use(FormContext);
  const [loading, setLoading] = useState(false);
  const running = useRef(false);
  const run = useCallback(
    async (action: ActionConfig, values: Values = {}) => {
      const named = action.loadingBehavior;
      const shown: Loading = !named || named === 'auto' ? auto : named;
      // A second click before React has drawn the first.
      if (running.current && shown !== 'none') return;
      const payload = withValues(action.payload, { ...form?.values(), ...values });
      const send = () => scope.send({ ...action, payload });
      if (shown === 'none') return send();
      running.current = true;
      if (shown === 'self') setLoading(true);
      try {
        await (shown === 'container' ? scope.whileBusy(send) : send());
      } finally {
        running.current = false;
        if (shown === 'self') setLoading(false);
      }
    },
    [auto, form, scope],
  );
  return { loading, run };
};
