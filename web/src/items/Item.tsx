/** One item of a thread. */
import { memo, Suspense, type ReactNode } from 'react';
import { useClient } from '../client';
import { useLanguage } from '../i18n/i18n';
import type { ThreadSession } from '../protocol/session';
import type { ThreadItem } from '../protocol/types';
import { useStore } from '../store';
import { schemeOf } from '../theme/theme';
import { WidgetView } from '../widgets';
import { AssistantMessage } from './AssistantMessage';
import { ImageView } from './ImageView';
import { StructuredInputView } from './StructuredInputView';
import { TaskView, WorkflowView } from './WorkflowView';
import { UserMessage } from './UserMessage';

export interface ItemProps {
  item: ThreadItem;
  session: ThreadSession;
  /** The item is still being written. */
  isOpen: boolean;
}

export const Item = memo(function Item({ item, session, isOpen }: ItemProps): ReactNode {
  switch (item.type) {
    case 'user_message':
      return <UserMessage item={item} />;
    case 'assistant_message':
      return <AssistantMessage item={item} session={session} isOpen={isOpen} />;
    case 'widget':
      return <WidgetItemView item={item} session={session} isOpen={isOpen} />;
    case 'workflow':
      return <WorkflowView workflow={item.workflow} isOpen={isOpen} />;
    case 'task':
      return <TaskView task={item.task} isOpen={isOpen} />;
    case 'generated_image':
      return <ImageView image={item.image ?? null} progress={item.progress ?? null} isOpen={isOpen} />;
    case 'structured_input':
      return <StructuredInputView item={item} session={session} />;
    case 'client_tool_call':
      return <ToolCall name={item.name} />;
    default:
      return null;
  }
});

/** Whether an item is shown at all. */
export function isVisible(item: ThreadItem): boolean {
  switch (item.type) {
    case 'end_of_turn':
    case 'hidden_context_item':
    case 'sdk_hidden_context':
      return false;
    case 'client_tool_call':
      return item.status === 'pending';
    case 'assistant_message':
      return item.content.some(({ text }) => text !== '');
    default:
      return true;
  }
}

function ToolCall({ name }: { name: string }): ReactNode {
  const { t } = useLanguage();
  return <p className="ck-progress ck-shimmer">{t('runningTool', { name: name.replaceAll('_', ' ') })}</p>;
}

function WidgetItemView({ item, session, isOpen }: ItemProps & { item: Extract<ThreadItem, { type: 'widget' }> }): ReactNode {
  const client = useClient();
  const { locale } = useLanguage();
  const { theme, widgets } = useStore(client.options);
  return (
    <Suspense fallback={<div className="ck-widget-loading" />}>
      <WidgetView
        widget={item.widget}
        itemId={item.id}
        streaming={isOpen}
        locale={locale}
        colorScheme={schemeOf(theme)}
        components={widgets?.components}
        onAction={(action) =>
          client.runAction(session, item, action).catch((error: Error) => {
            client.onError(error);
            throw error;
          })
        }
      />
    </Suspense>
  );
}
