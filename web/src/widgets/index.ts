/** The view of a widget, loaded when the first one is shown. */
import { lazyPart } from '../lazyPart';
import type { ActionConfig, WidgetNode } from '../protocol/types';
import type { PageComponentSource } from './PageComponent';

export interface WidgetViewProps {
  /** The root: Card, ListView, Basic, or any component. */
  widget: WidgetNode;
  /** The id of its thread item; of an entity's id in a preview. */
  itemId: string;
  /** Of the text in progress: a StreamingText whose turn still runs. */
  streaming?: boolean;
  /**
   * An action was triggered; its payload holds the values of the form. The promise ends when the action has been
   * carried out (rejects: it failed, the host shows why); until then the view shows what `loadingBehavior` says.
   */
  onAction(action: ActionConfig): Promise<void>;
  /** A BCP 47 tag, for dates and numbers. */
  locale: string;
  colorScheme: 'light' | 'dark';
  /** Components of the page's own, by their types. */
  components?: Readonly<Record<string, PageComponentSource>> | undefined;
}

export const [WidgetView] = lazyPart<WidgetViewProps>(() => import('./WidgetView'));
