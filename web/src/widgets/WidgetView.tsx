/** A widget: its root, the actions of its components, and what is shown while one is carried out. */
import { useCallback, useId, useLayoutEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import type { ActionConfig, WidgetNode } from '../protocol/types';
import { Scope, type WidgetScope } from './actions';
import type { WidgetViewProps } from './index';
import { Node } from './Node';
import { children, text } from './values';
import './widgets.css';

const labelled = (node: WidgetNode, names = new Set<string>()): Set<string> => {
  if (node.type === 'Label') names.add(text(node.fieldName));
  for (const child of children(node)) labelled(child, names);
  return names;
};

export default function WidgetView({ widget, onAction, locale, colorScheme, components }: WidgetViewProps): ReactNode {
  const id = useId();
  const root = useRef<HTMLDivElement>(null);
  const [waiting, setWaiting] = useState(0);
  const focused = useRef<Element | null>(null);
  const names = useMemo(() => labelled(widget), [widget]);
  const latest = useRef(onAction);
  useLayoutEffect(() => void (latest.current = onAction));

  // The host shows why an action failed.
  const send = useCallback((action: ActionConfig) => latest.current(action).catch(() => undefined), []);
  const whileBusy = useCallback(async (work: () => Promise<void>) => {
    focused.current = document.activeElement;
    setWaiting((count) => count + 1);
    try {
      await work();
    } finally {
      setWaiting((count) => count - 1);
    }
  }, []);
  useLayoutEffect(() => {
    // An inert element loses the focus.
    const before = focused.current;
    if (waiting > 0 || document.activeElement !== document.body) return;
    if (before instanceof HTMLElement && root.current?.contains(before)) before.focus();
    focused.current = null;
  }, [waiting]);

  const busy = waiting > 0;
  const scope = useMemo<WidgetScope>(
    () => ({ id, dark: colorScheme === 'dark', locale, labelled: names, components, busy, send, whileBusy }),
    [id, colorScheme, locale, names, components, busy, send, whileBusy],
  );
  return (
    <Scope value={scope}>
      <div className="ckw" ref={root} inert={busy} aria-busy={busy || undefined}>
        <Node node={widget} />
      </div>
    </Scope>
  );
}
