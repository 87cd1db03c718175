import { Suspense, useEffect, useLayoutEffect, useState, type DragEvent, type ReactNode } from 'react';
import { Header } from './chat/Header';
import { LiveRegion } from './chat/LiveRegion';
import { StartScreen } from './chat/StartScreen';
import { ClientContext, type ChatClient } from './client';
import { Composer } from './composer/Composer';
import { LanguageProvider, useLanguage } from './i18n/i18n';
import { loadIcons } from './icons/Icon';
import { lazyPart } from './lazyPart';
import { loadMarkdown, Markdown } from './markdown';
import { usePart, useStore } from './store';
import { applyTheme } from './theme/theme';

// Not in the first view: loaded after it.
const [ThreadView, loadThread] = lazyPart(() => import('./chat/ThreadView'));
const [HistoryPanel] = lazyPart(() => import('./history/HistoryPanel'));

export function App({ client }: { client: ChatClient }): ReactNode {
  const { theme, locale, frameTitle } = useStore(client.options);
  const variables = useStore(client.variables);
  useLayoutEffect(() => applyTheme(theme, variables), [theme, variables]);
  useEffect(() => {
    document.title = frameTitle ?? 'Chat';
  }, [frameTitle]);
  useEffect(() => {
    void loadThread();
    void loadIcons();
    void loadMarkdown();
  }, []);
  return (
    <ClientContext value={client}>
      <LanguageProvider locale={locale}>
        <Chat client={client} />
      </LanguageProvider>
    </ClientContext>
  );
}

function Chat({ client }: { client: ChatClient }): ReactNode {
  const { t } = useLanguage();
  const { disclaimer, composer } = useStore(client.options);
  const session = useStore(client.active);
  const historyOpen = useStore(client.historyOpen);
  const isNew = usePart(session, ({ id, items, outbox, failure }) => id === null && !items.length && !outbox.length && !failure);
  const [dragging, setDragging] = useState(false);
  const accepts = composer?.attachments?.enabled === true;
  const dragged = (event: DragEvent): boolean => accepts && event.dataTransfer.types.includes('Files');
  return (
    <div
      className="ck-app"
      onClickCapture={(event) => {
        // Of messages, widgets and notices.
        const link = (event.target as Element).closest('a[href^="chatkit-link:" i]');
        if (!link) return;
        event.preventDefault();
        client.openDeepLink(link.getAttribute('href') as string);
      }}
      onDragEnter={(event) => dragged(event) && setDragging(true)}
      onDragOver={(event) => {
        // A file that is dropped beside the chat would replace it.
        if (event.dataTransfer.types.includes('Files')) event.preventDefault();
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setDragging(false);
      }}
      onDrop={(event) => {
        setDragging(false);
        if (!event.dataTransfer.files.length) return;
        event.preventDefault();
        if (accepts) void client.composer.addFiles([...event.dataTransfer.files]);
      }}
    >
      <div className="ck-chat" inert={historyOpen}>
        <Header />
        <main className="ck-main">
          <Suspense fallback={null}>{isNew ? <StartScreen /> : <ThreadView key={session.key} session={session} />}</Suspense>
        </main>
        <footer className="ck-footer">
          <Composer />
          {disclaimer?.text && (
            <div className="ck-disclaimer" data-contrast={disclaimer.highContrast || undefined}>
              <Suspense fallback={disclaimer.text}>
                <Markdown source={disclaimer.text} />
              </Suspense>
            </div>
          )}
        </footer>
      </div>
      <Suspense fallback={null}>{historyOpen && <HistoryPanel />}</Suspense>
      {dragging && <div className="ck-drop-target">{t('dropFiles')}</div>}
      <LiveRegion />
    </div>
  );
}
