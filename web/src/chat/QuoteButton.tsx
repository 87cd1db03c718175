import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useClient } from '../client';
import { useLanguage } from '../i18n/i18n';

const LONGEST = 4000;

/** Beside a text of an answer that is selected: quote it in the next message. */
export function QuoteButton(): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  const [text, setText] = useState<string | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const place = useRef<DOMRect | null>(null);
  useEffect(() => {
    const changed = (): void => {
      const selection = getSelection();
      const around = selection?.anchorNode?.parentElement?.closest('.ck-assistant');
      const selected = selection?.isCollapsed === false && around?.contains(selection.focusNode) ? selection.toString().trim() : '';
      place.current = selected ? (selection?.getRangeAt(0).getBoundingClientRect() ?? null) : null;
      setText(selected ? selected.slice(0, LONGEST) : null);
    };
    document.addEventListener('selectionchange', changed);
    return () => document.removeEventListener('selectionchange', changed);
  }, []);
  useEffect(() => {
    const rect = place.current;
    if (!button.current || !rect) return;
    button.current.style.top = `${Math.max(rect.top - 40, 8)}px`;
    button.current.style.left = `${Math.min(Math.max(rect.left, 8), innerWidth - 120)}px`;
  });
  if (text === null) return null;
  return (
    <button
      ref={button}
      type="button"
      className="ck-quote-button"
      // The selection stays as it is.
      onPointerDown={(event) => event.preventDefault()}
      onClick={() => {
        client.composer.patch({ quote: text });
        getSelection()?.removeAllRanges();
        client.focusComposer().catch(() => {});
      }}
    >
      {t('quote')}
    </button>
  );
}
