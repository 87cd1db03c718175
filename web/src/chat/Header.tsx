import type { ReactNode } from 'react';
import { useClient } from '../client';
import { useLanguage } from '../i18n/i18n';
import { Icon } from '../icons/Icon';
import { Compose, History } from '../icons/essential';
import { usePart, useStore } from '../store';
import { IconButton } from '../ui/IconButton';

export function Header(): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  const { header, history, frameTitle } = useStore(client.options);
  const session = useStore(client.active);
  const title = usePart(session, ({ thread }) => thread?.title);
  const isNew = usePart(session, ({ id, outbox }) => id === null && !outbox.length);
  const hasHistory = history?.enabled !== false;
  if (header?.enabled === false) return <h1 className="ck-hidden">{frameTitle ?? 'Chat'}</h1>;
  const text = header?.title?.text ?? title;
  const shown = header?.title?.enabled !== false && text;
  return (
    <header className="ck-header">
      {header?.leftAction && <PageAction side="leftAction" icon={header.leftAction.icon} />}
      <h1 className={shown ? 'ck-title' : 'ck-title ck-hidden'} dir="auto">{text || (frameTitle ?? 'Chat')}</h1>
      <span className="ck-space" />
      {hasHistory && !isNew && (
        <IconButton label={t('newChat')} onClick={() => void client.setThreadId(null).then(() => client.focusComposer())}>
          <Compose />
        </IconButton>
      )}
      {hasHistory && (
        <IconButton label={t('history')} onClick={() => void client.showHistory()}>
          <History />
        </IconButton>
      )}
      {header?.rightAction && <PageAction side="rightAction" icon={header.rightAction.icon} />}
    </header>
  );
}

function PageAction({ side, icon }: { side: 'leftAction' | 'rightAction'; icon: string }): ReactNode {
  const client = useClient();
  return (
    // The icon's name is all that says what the button does.
    <IconButton
      label={icon.replaceAll('-', ' ')}
      onClick={() => client.host.call(`header.${side}.onClick`).catch((error: Error) => client.onError(error))}
    >
      <Icon name={icon} />
    </IconButton>
  );
}
