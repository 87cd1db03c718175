import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useClient } from '../client';
import { formatWhen, useLanguage } from '../i18n/i18n';
import { Icon } from '../icons/Icon';
import { Compose, X } from '../icons/essential';
import type { ThreadMetadata } from '../protocol/types';
import { useStore } from '../store';
import { IconButton } from '../ui/IconButton';
import { Menu } from '../ui/Menu';

export default function HistoryPanel(): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  const { threads, phase, hasMore } = useStore(client.history);
  const [problem, setProblem] = useState<string | null>(null);
  const panel = useRef<HTMLElement>(null);
  const close = (): void => void client.hideHistory().then(() => client.focusComposer());
  useEffect(() => {
    void client.history.open();
    panel.current?.focus();
    // Also while nothing has the focus: after a row is gone.
    const escape = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.defaultPrevented) void client.hideHistory().then(() => client.focusComposer());
    };
    addEventListener('keydown', escape);
    return () => removeEventListener('keydown', escape);
  }, [client]);
  return (
    <section
      ref={panel}
      className="ck-history"
      role="dialog"
      aria-label={t('history')}
      tabIndex={-1}
    >
      <header className="ck-header">
        <h2 className="ck-title">{t('history')}</h2>
        <span className="ck-space" />
        <IconButton label={t('newChat')} onClick={() => void client.setThreadId(null).then(() => client.focusComposer())}>
          <Compose />
        </IconButton>
        <IconButton label={t('closeHistory')} onClick={close}>
          <X />
        </IconButton>
      </header>
      <div className="ck-history-body">
        {problem && <p className="ck-failure" role="alert">{problem}</p>}
        <ul className="ck-threads">
          {threads.map((thread) => (
            <ThreadRow key={thread.id} thread={thread} onProblem={setProblem} />
          ))}
        </ul>
        {phase === 'loaded' && !threads.length && <p className="ck-quiet">{t('noThreads')}</p>}
        {phase === 'loading' && <p className="ck-quiet ck-shimmer" role="status">{t('loading')}</p>}
        {phase === 'failed' && (
          <p className="ck-failure" role="alert">
            {t('failed')}{' '}
            <button type="button" className="ck-button" onClick={() => void client.history.open()}>{t('tryAgain')}</button>
          </p>
        )}
        {phase === 'loaded' && hasMore && (
          <button type="button" className="ck-button" onClick={() => void client.history.loadMore()}>{t('loadMore')}</button>
        )}
      </div>
    </section>
  );
}

function ThreadRow({ thread, onProblem }: { thread: ThreadMetadata; onProblem(text: string | null): void }): ReactNode {
  const client = useClient();
  const { t, locale } = useLanguage();
  const { history } = useStore(client.options);
  const shown = useStore(client.active);
  const [mode, setMode] = useState<'shown' | 'renamed' | 'deleted'>('shown');
  const title = thread.title || t('untitled');
  const attempt = (work: Promise<void>): void => {
    onProblem(null);
    setMode('shown');
    work.catch((error: Error) => {
      onProblem(error.message || t('failed'));
      client.onError(error);
    });
  };
  if (mode === 'renamed') {
    return (
      <li className="ck-thread">
        <form
          className="ck-rename"
          onSubmit={(event) => {
            event.preventDefault();
            const text = String(new FormData(event.currentTarget).get('title')).trim();
            if (text) attempt(client.renameThread(thread.id, text));
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Escape') return;
            event.preventDefault();
            setMode('shown');
          }}
        >
          <input name="title" className="ck-input" aria-label={t('titleLabel')} defaultValue={thread.title ?? ''} autoFocus maxLength={200} dir="auto" />
          <button type="submit" className="ck-button" data-primary>{t('save')}</button>
          <button type="button" className="ck-button" onClick={() => setMode('shown')}>{t('cancel')}</button>
        </form>
      </li>
    );
  }
  if (mode === 'deleted') {
    return (
      <li className="ck-thread">
        <div className="ck-rename" role="alertdialog" aria-label={t('deleteQuestion')}>
          <span className="ck-grow">{t('deleteQuestion')}</span>
          <button type="button" className="ck-button" data-danger autoFocus onClick={() => attempt(client.deleteThread(thread.id))}>{t('delete')}</button>
          <button type="button" className="ck-button" onClick={() => setMode('shown')}>{t('cancel')}</button>
        </div>
      </li>
    );
  }
  const entries = [
    ...(history?.showRename !== false
      ? [{ key: 'rename', label: t('rename'), icon: <Icon name="write" />, onSelect: () => setMode('renamed') }]
      : []),
    ...(history?.showDelete !== false
      ? [{ key: 'delete', label: t('delete'), icon: <Icon name="trash" />, danger: true, onSelect: () => setMode('deleted') }]
      : []),
  ];
  return (
    <li className="ck-thread" data-current={shown.id === thread.id || undefined}>
      <button type="button" className="ck-thread-open" aria-current={shown.id === thread.id || undefined} onClick={() => void client.setThreadId(thread.id)}>
        <span className="ck-thread-title" dir="auto">{title}</span>
        <time className="ck-quiet" dateTime={thread.created_at}>{formatWhen(thread.created_at, locale)}</time>
      </button>
      {!!entries.length && (
        <Menu label={t('threadActions', { title })} entries={entries} align="end">
          <Icon name="dots-horizontal" />
        </Menu>
      )}
    </li>
  );
}
