/** Forms: the fields inside an element, their values, their messages. */
import { use, useCallback, useMemo, useRef, useState, type FormEvent, type KeyboardEvent, type ReactNode, type RefObject } from 'react';
import type { ActionConfig, WidgetNode } from '../protocol/types';
import { FormContext, Scope, useAction, type FormScope } from './actions';
import { text } from './values';

type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

const fieldsOf = (root: HTMLElement | null): Field[] => [...(root?.querySelectorAll<Field>('[data-field]') ?? [])];

/** The value of a field; undefined: it sends none. A field for one value that holds none is null. */
const valueOf = (field: Field): unknown => {
  if (field instanceof HTMLInputElement) {
    if (field.dataset.value !== undefined) return field.dataset.value || null;
    if (field.type === 'checkbox') return field.checked;
    if (field.type === 'radio') return field.checked ? field.value : undefined;
    // Digits that a number cannot hold are sent as they were typed.
    if (field.type === 'number' && field.value) return String(Number(field.value)) === field.value ? Number(field.value) : field.value;
    if (field.type === 'number' || field.type === 'date') return field.value || null;
  }
  return field instanceof HTMLSelectElement ? field.value || null : field.value;
};

const read = (root: HTMLElement | null): Record<string, unknown> => {
  const values: Record<string, unknown> = {};
  for (const field of fieldsOf(root)) {
    const value = field.matches(':disabled') ? undefined : valueOf(field);
    if (value !== undefined) values[field.dataset.field as string] = value;
  }
  return values;
};

const check = (root: HTMLElement | null): boolean => {
  // Each `invalid` event shows the message of its field.
  const invalid = fieldsOf(root).filter((field) => !field.checkValidity());
  invalid[0]?.focus();
  return invalid.length === 0;
};

interface FormHostProps {
  /** What a submission sends; without one, the submit button's own action is sent. */
  action: ActionConfig | null;
  className: string;
  style?: React.CSSProperties;
  theme?: 'light' | 'dark' | undefined;
  children: ReactNode;
}

/**
 * A form. Submission is by our own handlers: a frame that is sandboxed without `allow-forms` gets no submit event.
 * A form inside a form is a group, which HTML allows.
 */
export function FormHost({ action, className, style, theme, children }: FormHostProps): ReactNode {
  const ref = useRef<HTMLFormElement & HTMLDivElement>(null);
  const inner = use(FormContext) !== null;
  const { loading, run } = useAction('container');
  const form = useMemo<FormScope>(
    () => ({
      values: () => read(ref.current),
      valid: () => check(ref.current),
      submit: (fallback) => {
        const sent = action ?? fallback;
        if (sent && check(ref.current)) void run(sent, read(ref.current));
      },
    }),
    [action, run],
  );
  const onKeyDown = (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    const typed = target instanceof HTMLInputElement && !['checkbox', 'radio', 'button'].includes(target.type);
    if (event.key !== 'Enter' || !(typed || target.matches('textarea[data-line]')) || event.nativeEvent.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    form.submit();
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    form.submit();
  };
  const props = { ref, className, style, inert: loading, 'data-theme': theme, 'aria-busy': loading || undefined, onKeyDown };
  return (
    <FormContext value={form}>
      {inner ? (
        <div role="group" {...props}>
          {children}
        </div>
      ) : (
        <form noValidate onSubmit={onSubmit} {...props}>
          {children}
        </form>
      )}
    </FormContext>
  );
}

export interface FieldState {
  name: string;
  id: string;
  message: string;
  error: ReactNode;
  props: {
    id: string;
    name: string;
    'data-field': string;
    'aria-label': string | undefined;
    'aria-invalid': true | undefined;
    'aria-describedby': string | undefined;
    onInvalid(event: FormEvent): void;
    onInput(event: FormEvent): void;
  };
}

/** The id, the name and the message of a field. */
export function useField(node: WidgetNode | { name?: unknown; placeholder?: unknown; ariaLabel?: unknown; pattern?: unknown }): FieldState {
  const scope = use(Scope);
  const [message, setMessage] = useState('');
  const name = text(node.name);
  const id = `${scope.id}-${name}`;
  const onInvalid = useCallback((event: FormEvent) => {
    event.preventDefault();
    setMessage((event.target as Field).validationMessage);
  }, []);
  const onInput = useCallback(() => setMessage(''), []);
  const label = text(node.ariaLabel) || text(node.placeholder) || name;
  return {
    name,
    id,
    message,
    error: message ? (
      <span className="ckw-error" id={`${id}-error`} role="alert">
        {message}
      </span>
    ) : null,
    props: {
      id,
      name,
      'data-field': name,
      'aria-label': scope.labelled.has(name) ? undefined : label,
      'aria-invalid': message ? true : undefined,
      'aria-describedby': message ? `${id}-error` : undefined,
      onInvalid,
      onInput,
    },
  };
}

const compile = (pattern: string): RegExp | null => {
  try {
    return new RegExp(`^(?:${pattern})$`, 'v');
  } catch {
    return null;
  }
};

/** Hold a textarea to a pattern, which HTML does for inputs only. */
export function usePattern(pattern: unknown, message: string): (field: HTMLTextAreaElement) => void {
  const source = text(pattern);
  const expression = useMemo(() => (source ? compile(source) : null), [source]);
  return (field) => field.setCustomValidity(expression && field.value && !expression.test(field.value) ? message : '');
}

/** Select the text of a field when it appears. */
export function useSelection<T extends HTMLInputElement | HTMLTextAreaElement>(wanted: unknown): RefObject<T | null> | ((field: T | null) => void) {
  return useCallback((field: T | null) => (wanted && field ? field.select() : undefined), [wanted]);
}

/** Keep password managers and the browser's own memory away, unless the field asks for them. */
export const autofill = (allowed: unknown, hint?: unknown): Record<string, string | undefined> => ({
  autoComplete: text(hint) || (allowed ? undefined : 'off'),
  'data-1p-ignore': allowed ? undefined : '',
  'data-lpignore': allowed ? undefined : 'true',
  'data-bwignore': allowed ? undefined : '',
});
