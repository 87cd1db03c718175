import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useClient } from '../client';
import { useLanguage } from '../i18n/i18n';
import { usePart, useStore } from '../store';

const LONGEST = 1000;

/** Tells screen readers of an answer when it is complete: each piece of it would be noise. */
export function LiveRegion(): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  const session = useStore(client.active);
  const isBusy = usePart(session, ({ phase }) => phase !== 'idle');
  const [text, setText] = useState('');
  const wasBusy = useRef(false);
  useEffect(() => {
    if (isBusy) {
      setText(t('answering'));
    } else if (wasBusy.current) {
      const last = session.get().items.findLast(({ type }) => type === 'assistant_message' || type === 'user_message');
      const answer = last?.type === 'assistant_message' ? last.content.map((part) => part.text).join('\n') : '';
      setText(answer ? answer.slice(0, LONGEST) : t('answerDone'));
    }
    wasBusy.current = isBusy;
  }, [isBusy, session, t]);
  return (
    <div className="ck-hidden" role="status" aria-live="polite">
      {text}
    </div>
  );
}
