import { useEffect, useState, type ReactNode } from 'react';
import { useClient } from '../client';
import { useLanguage } from '../i18n/i18n';
import { Icon } from '../icons/Icon';
import type { ThreadSession } from '../protocol/session';
import type { ThreadItem } from '../protocol/types';
import { usePart, useStore } from '../store';
import { IconButton } from '../ui/IconButton';

const COPIED_MS = 2000;

/** Below an answer: copy, feedback, and another answer. */
export function AnswerActions({ session, items }: { session: ThreadSession; items: readonly ThreadItem[] }): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  const { threadItemActions } = useStore(client.options);
  const isActive = usePart(session, ({ thread }) => (thread?.status?.type ?? 'active') === 'active');
  const isBusy = usePart(session, ({ phase }) => phase !== 'idle');
  const ids = items.map(({ id }) => id);
  const given = usePart(session, ({ feedback }) => feedback[ids[0] ?? '']);
  const text = items.map(textOf).filter(Boolean).join('\n\n');
  const rate = (kind: 'positive' | 'negative'): void => {
    session.giveFeedback(ids, kind).catch((error: Error) => client.onError(error));
  };
  const retry = (): void => {
    const all = session.get().items;
    const first = all.findIndex(({ id }) => id === ids[0]);
    const asked = all.slice(0, first).findLast(({ type }) => type === 'user_message');
    session.retry(asked?.id).catch(() => {
      // The failure is shown at the end of the thread.
    });
  };
  if (!text && !threadItemActions?.feedback && !threadItemActions?.retry) return null;
  return (
    <div className="ck-actions" role="group" aria-label={t('answerActions')}>
      {text && <CopyButton text={text} />}
      {threadItemActions?.feedback && (
        <>
          <IconButton label={t('goodAnswer')} aria-pressed={given === 'positive'} onClick={() => rate('positive')}>
            <Icon name="thumb-up" />
          </IconButton>
          <IconButton label={t('badAnswer')} aria-pressed={given === 'negative'} onClick={() => rate('negative')}>
            <Icon name="thumb-down" />
          </IconButton>
        </>
      )}
      {threadItemActions?.retry && isActive && (
        <IconButton label={t('retryAnswer')} disabled={isBusy} onClick={retry}>
          <Icon name="reload" />
        </IconButton>
      )}
    </div>
  );
}

function textOf(item: ThreadItem): string {
  if (item.type === 'assistant_message') return item.content.map(({ text }) => text).join('\n\n');
  return item.type === 'widget' ? (item.copy_text ?? '') : '';
}

export function CopyButton({ text }: { text: string }): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <IconButton
      label={t(copied ? 'copied' : 'copy')}
      onClick={() => {
        navigator.clipboard.writeText(text).then(
          () => setCopied(true),
          (error: Error) => client.onError(error),
        );
      }}
    >
      <Icon name={copied ? 'check' : 'copy'} />
    </IconButton>
  );
}
