/** Events -> items. Items that do not change keep their identity, so that their rows are not drawn again. */
import type { AssistantMessageContent, ItemUpdate, StreamEvent, ThreadItem, WidgetNode } from './types';

export type Items = readonly ThreadItem[];

/** What an event does to the items of a thread; other events return the same array. */
export function applyToItems(items: Items, event: StreamEvent): Items {
  switch (event.type) {
    case 'thread.item.added':
    case 'thread.item.done':
    case 'thread.item.replaced':
      return put(items, event.item);
    case 'thread.item.removed':
      return items.some(({ id }) => id === event.item_id) ? items.filter(({ id }) => id !== event.item_id) : items;
    case 'thread.item.updated': {
      const index = indexOf(items, event.item_id);
      const item = items[index];
      if (!item) return items;
      const updated = applyUpdate(item, event.update);
      return updated === item ? items : items.with(index, updated);
    }
    default:
      return items;
  }
}

/** Replace the item with the same id, or append it. */
export function put(items: Items, item: ThreadItem): Items {
  const index = indexOf(items, item.id);
  return index < 0 ? [...items, item] : items.with(index, item);
}

/** Updated items are at the end. */
function indexOf(items: Items, id: string): number {
  for (let index = items.length - 1; index >= 0; index--) if (items[index]?.id === id) return index;
  return -1;
}

function applyUpdate(item: ThreadItem, update: ItemUpdate): ThreadItem {
  switch (update.type) {
    case 'assistant_message.content_part.added':
    case 'assistant_message.content_part.done':
      return withPart(item, update.content_index, () => update.content);
    case 'assistant_message.content_part.text_delta':
      return withPart(item, update.content_index, (part) => ({ ...part, text: part.text + update.delta }));
    case 'assistant_message.content_part.annotation_added':
      return withPart(item, update.content_index, (part) => {
        const annotations = [...(part.annotations ?? [])];
        annotations[update.annotation_index] = update.annotation;
        // A gap would be a hole in the array.
        return { ...part, annotations: annotations.filter(Boolean) };
      });
    case 'widget.root.updated':
      return item.type === 'widget' ? { ...item, widget: update.widget } : item;
    case 'widget.component.updated':
      return withWidget(item, update.component_id, () => update.component);
    case 'widget.streaming_text.value_delta':
      return withWidget(item, update.component_id, (node) => ({
        ...node,
        value: `${typeof node.value === 'string' ? node.value : ''}${update.delta}`,
        streaming: !update.done,
      }));
    case 'workflow.task.added':
      if (item.type !== 'workflow') return item;
      return { ...item, workflow: { ...item.workflow, tasks: item.workflow.tasks.toSpliced(update.task_index, 0, update.task) } };
    case 'workflow.task.updated':
      if (item.type === 'task') return { ...item, task: update.task };
      if (item.type !== 'workflow' || update.task_index >= item.workflow.tasks.length) return item;
      return { ...item, workflow: { ...item.workflow, tasks: item.workflow.tasks.with(update.task_index, update.task) } };
    case 'generated_image.updated':
      return item.type === 'generated_image' ? { ...item, image: update.image, progress: update.progress ?? null } : item;
    default:
      return item;
  }
}

const EMPTY: AssistantMessageContent = { type: 'output_text', text: '', annotations: [] };

function withPart(
  item: ThreadItem,
  index: number,
  change: (part: AssistantMessageContent) => AssistantMessageContent,
): ThreadItem {
  if (item.type !== 'assistant_message') return item;
  const content = [...item.content];
  while (content.length <= index) content.push(EMPTY);
  content[index] = change(content[index] ?? EMPTY);
  return { ...item, content };
}

function withWidget(item: ThreadItem, id: string, change: (node: WidgetNode) => WidgetNode): ThreadItem {
  if (item.type !== 'widget') return item;
  const widget = changeNode(item.widget, id, change);
  return widget === item.widget ? item : { ...item, widget };
}

/** Change the component with this id; what holds no changed component keeps its identity. */
function changeNode(node: WidgetNode, id: string, change: (node: WidgetNode) => WidgetNode): WidgetNode {
  if (node.id === id) return change(node);
  const { children } = node;
  if (isNode(children)) {
    const changed = changeNode(children, id, change);
    return changed === children ? node : { ...node, children: changed };
  }
  if (!Array.isArray(children)) return node;
  let different = false;
  const changed = children.map((child: unknown) => {
    const now = isNode(child) ? changeNode(child, id, change) : child;
    different ||= now !== child;
    return now;
  });
  return different ? { ...node, children: changed } : node;
}

function isNode(value: unknown): value is WidgetNode {
  return typeof value === 'object' && value !== null && 'type' in value;
}
