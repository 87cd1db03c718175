/** The field of the composer: plain text and tags in a contenteditable element, whose content React does not touch. */
import type { Entity } from '@openai/chatkit';
import type { UserMessageContent, UserMessageTag } from '../protocol/types';

/** What is being typed after `@` or `/`. */
export interface Trigger {
  kind: 'entity' | 'command';
  query: string;
}

const tags = new WeakMap<Element, UserMessageTag>();
const ENTITY = /(?:^|[\s\u00a0])@([^\s@]*)$/;
const COMMAND = /^\s*\/([^\s/]*)$/;

export function readContent(root: HTMLElement): UserMessageContent[] {
  const parts: UserMessageContent[] = [];
  const addText = (text: string): void => {
    const last = parts.at(-1);
    if (last?.type === 'input_text') last.text += text;
    else if (text) parts.push({ type: 'input_text', text });
  };
  const walk = (node: Node): void => {
    if (node instanceof Text) return addText(node.data.replaceAll('\u00a0', ' '));
    if (!(node instanceof Element)) return;
    const tag = tags.get(node);
    if (tag) return void parts.push(tag);
    if (node.tagName === 'BR') return addText('\n');
    // A browser makes a block of each line in some cases.
    if ((node.tagName === 'DIV' || node.tagName === 'P') && parts.length) addText('\n');
    node.childNodes.forEach(walk);
  };
  root.childNodes.forEach(walk);
  const [first, last] = [parts[0], parts.at(-1)];
  if (first?.type === 'input_text') first.text = first.text.trimStart();
  if (last?.type === 'input_text') last.text = last.text.trimEnd();
  return parts.filter((part) => part.type === 'input_tag' || part.text !== '');
}

export function writeContent(root: HTMLElement, content: readonly UserMessageContent[]): void {
  root.replaceChildren(...content.map((part) => (part.type === 'input_tag' ? tagElement(part) : document.createTextNode(part.text))));
  // Behind a tag the caret needs a text.
  if (content.at(-1)?.type === 'input_tag') root.append(' ');
  if (root.contains(document.activeElement)) caretToEnd(root);
}

export function isEmpty(root: HTMLElement): boolean {
  return !root.querySelector('[data-tag]') && !root.textContent?.trim();
}

export function caretToEnd(root: HTMLElement): void {
  const selection = getSelection();
  selection?.selectAllChildren(root);
  selection?.collapseToEnd();
}

/** The word before the caret, if it begins with `@` or `/`. */
export function triggerAt(root: HTMLElement): Trigger | null {
  const before = textBefore(root);
  if (before === null) return null;
  const command = COMMAND.exec(before.whole);
  if (command) return { kind: 'command', query: command[1] ?? '' };
  const entity = ENTITY.exec(before.text);
  return entity ? { kind: 'entity', query: entity[1] ?? '' } : null;
}

/** `text` is of the node with the caret, `whole` from the beginning of the field. */
function textBefore(root: HTMLElement): { text: string; whole: string; node: Text; offset: number } | null {
  const selection = getSelection();
  const node = selection?.anchorNode;
  if (!selection?.isCollapsed || !(node instanceof Text) || !root.contains(node)) return null;
  const offset = selection.anchorOffset;
  const range = document.createRange();
  range.setStart(root, 0);
  range.setEnd(node, offset);
  const text = node.data.slice(0, offset);
  // After a tag an `@` needs no space.
  return { text, whole: range.toString(), node, offset };
}

/** Remove the text of the trigger, such as `@har`. */
export function removeTrigger(root: HTMLElement): void {
  const before = textBefore(root);
  if (!before) return;
  const match = /[@/][^\s@/]*$/.exec(before.text);
  if (!match) return;
  const range = document.createRange();
  range.setStart(before.node, match.index);
  range.setEnd(before.node, before.offset);
  range.deleteContents();
}

export function insertEntity(root: HTMLElement, entity: Entity): void {
  root.focus();
  removeTrigger(root);
  const selection = getSelection();
  if (!selection?.rangeCount || !root.contains(selection.anchorNode)) caretToEnd(root);
  const range = selection?.getRangeAt(0);
  if (!range) return;
  const space = document.createTextNode('\u00a0');
  range.deleteContents();
  range.insertNode(space);
  range.insertNode(tagElement(tagOf(entity)));
  selection?.collapse(space, 1);
}

/** Insert text at the caret, so that it can be undone. */
export function insertText(root: HTMLElement, text: string): void {
  root.focus();
  if (!root.contains(getSelection()?.anchorNode ?? null)) caretToEnd(root);
  // Deprecated, and the only way to insert what the browser can undo.
  if (!document.execCommand('insertText', false, text)) {
    getSelection()?.getRangeAt(0).insertNode(document.createTextNode(text));
    getSelection()?.collapseToEnd();
  }
}

function tagOf({ id, title, group, interactive, data }: Entity): UserMessageTag {
  return { type: 'input_tag', id, text: title, data: data ?? {}, ...(group && { group }), interactive: interactive ?? false };
}

function tagElement(tag: UserMessageTag): HTMLElement {
  const element = document.createElement('span');
  element.className = 'ck-tag';
  element.contentEditable = 'false';
  element.dataset.tag = tag.id;
  element.textContent = tag.text;
  tags.set(element, tag);
  return element;
}
