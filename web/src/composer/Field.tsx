/** The field, and the list of what can be mentioned or done, which opens at `@` and `/`. */
import type { Command, CommandSelection, Entity } from '@openai/chatkit';
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { useClient } from '../client';
import { useLanguage } from '../i18n/i18n';
import { Icon } from '../icons/Icon';
import { EntityPreview } from '../items/EntityTag';
import { useStore } from '../store';
import { insertEntity, insertText, isEmpty, readContent, removeTrigger, triggerAt, writeContent, caretToEnd, type Trigger } from './editor';

const SEARCH_DELAY = 120;

interface Choice {
  key: string;
  label: string;
  description?: string | undefined;
  icon?: string | undefined;
  group?: string | undefined;
  entity?: Entity;
  choose(): void;
}

interface Found {
  trigger: Trigger | null;
  choices: readonly Choice[];
}

const NOTHING: Found = { trigger: null, choices: [] };

interface FieldProps {
  label: string;
  placeholder: string;
  disabled: boolean;
  onSubmit(): void;
  onFiles(files: File[]): void;
  onEmpty(isEmpty: boolean): void;
  /** What the composer itself can do, for the menu of commands. */
  actions: readonly Command[];
  onAction(id: string): void;
}

export function Field({ label, placeholder, disabled, onSubmit, onFiles, onEmpty, actions, onAction }: FieldProps): ReactNode {
  const client = useClient();
  const { t, direction } = useLanguage();
  const { commands } = useStore(client.options);
  const root = useRef<HTMLDivElement>(null);
  const [trigger, setTrigger] = useState<Trigger | null>(null);
  /** What was found last, and for what. */
  const [found, setFound] = useState<Found>(NOTHING);
  const [active, setActive] = useState(0);
  const [empty, setEmpty] = useState(true);
  const dismissed = useRef<string | null>(null);
  /** How often Enter was pressed before the search had ended: it chooses from what is found, and then submits. */
  const early = useRef(0);
  const searchNow = useRef<() => void>(() => {});
  const submit = useRef(onSubmit);
  useEffect(() => {
    submit.current = onSubmit;
  });
  const id = useId();
  const { choices } = found;
  const isOpen = trigger !== null && choices.length > 0;
  const isSearching = trigger !== null && found.trigger !== trigger;

  const changed = (): void => {
    const element = root.current;
    if (!element) return;
    early.current = 0;
    const now = isEmpty(element);
    // A browser leaves a line break behind.
    if (now && element.childNodes.length && !element.textContent) element.replaceChildren();
    setEmpty(now);
    onEmpty(now);
    const next = triggerAt(element);
    const isKnown = next && (next.kind === 'entity' ? client.host.has('entities.onTagSearch') : commands?.enabled === true);
    const key = next ? `${next.kind}${next.query}` : null;
    if (!next) dismissed.current = null;
    const shown = isKnown && !(dismissed.current !== null && key?.startsWith(dismissed.current)) ? next : null;
    setTrigger((before) => (before?.kind === shown?.kind && before?.query === shown?.query ? before : shown));
  };

  useEffect(() => {
    const element = root.current;
    if (!element) return;
    client.composer.attachEditor({
      focus: () => {
        element.focus();
        caretToEnd(element);
      },
      getContent: () => readContent(element),
      setContent: (content) => {
        writeContent(element, content);
        changed();
      },
      insert: (text) => {
        const before = readContent(element).at(-1);
        insertText(element, before?.type === 'input_text' && !/\s$/.test(before.text) ? ` ${text}` : text);
        changed();
      },
      startMention: () => {
        element.focus();
        caretToEnd(element);
        insertText(element, isEmpty(element) || /\s$/.test(element.textContent ?? '') ? '@' : ' @');
        changed();
      },
    });
    return () => client.composer.attachEditor(null);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [client]);

  useEffect(() => {
    if (!trigger) return setFound(NOTHING);
    let current = true;
    const done = (choices: readonly Choice[]): void => {
      if (!current) return;
      setFound({ trigger, choices });
      setActive(0);
      let enters = early.current;
      early.current = 0;
      if (enters && choices[0]) {
        enters -= 1;
        choices[0].choose();
      }
      if (enters) submit.current();
    };
    const search = trigger.kind === 'entity' ? searchEntities(trigger.query) : searchCommands(trigger.query);
    const begin = (): void => {
      clearTimeout(timer);
      searchNow.current = () => {};
      search().then(done, (error: Error) => {
        client.onError(error);
        done([]);
      });
    };
    const timer = setTimeout(begin, trigger.query ? SEARCH_DELAY : 0);
    searchNow.current = begin;
    return () => {
      current = false;
      clearTimeout(timer);
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [trigger]);

  const searchEntities = (query: string) => async (): Promise<Choice[]> => {
    const entities = await client.searchEntities(query);
    return entities.map((entity) => ({
      key: entity.id,
      label: entity.title,
      icon: entity.icon,
      group: entity.group,
      entity,
      choose: () => insert(entity),
    }));
  };

  const searchCommands = (query: string) => async (): Promise<Choice[]> => {
    const own = actions.filter((action) => action.label.toLowerCase().includes(query.toLowerCase()));
    const found = client.host.has('commands.onSearch') ? ((await client.host.call('commands.onSearch', query)) as Command[]) : [];
    return [
      ...own.map((action) => commandChoice(action, () => {
        removeAndClose();
        onAction(action.id);
      })),
      ...found.map((command) => commandChoice(command, () => select(command))),
    ];
  };

  const commandChoice = ({ id: key, label: text, description, icon, group }: Command, choose: () => void): Choice => ({ key, label: text, description, icon, group, choose });

  const select = (command: Command): void => {
    client.host.call('commands.onSelect', command).then(
      (answer) => {
        const selection = answer as CommandSelection | undefined;
        if (selection?.type === 'menu') {
          setFound((before) => ({ ...before, choices: selection.commands.map((next) => commandChoice(next, () => select(next))) }));
          setActive(0);
        } else if (selection?.type === 'entity') {
          insert(selection.entity);
        } else {
          removeAndClose();
        }
      },
      (error: Error) => client.onError(error),
    );
  };

  const insert = (entity: Entity): void => {
    if (root.current) insertEntity(root.current, entity);
    changed();
  };

  const removeAndClose = (): void => {
    if (root.current) removeTrigger(root.current);
    changed();
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    // While an input method composes, Enter ends the composition.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    // What is listed was found for what was written before.
    if (isSearching && event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      early.current += 1;
      return searchNow.current();
    }
    if (isOpen) {
      const to = { ArrowDown: active + 1, ArrowUp: active - 1 }[event.key];
      if (to !== undefined) {
        event.preventDefault();
        return setActive((to + choices.length) % choices.length);
      }
      if (event.key === 'Enter' || event.key === 'Tab') {
        event.preventDefault();
        return choices[active]?.choose();
      }
      if (event.key === 'Escape') {
        event.preventDefault();
        event.stopPropagation();
        dismissed.current = `${trigger.kind}${trigger.query}`;
        return setTrigger(null);
      }
    }
    if (event.key !== 'Enter') return;
    event.preventDefault();
    if (event.shiftKey) document.execCommand('insertLineBreak');
    else onSubmit();
  };

  const shown = choices[active];
  return (
    <div className="ck-field-root">
      {isOpen && (
        <div className="ck-suggestions">
          <ul role="listbox" id={id} aria-label={t(trigger.kind === 'entity' ? 'mentions' : 'commands')}>
            {choices.map((choice, index) => (
              <li key={choice.key} role="presentation">
                {choice.group && choice.group !== choices[index - 1]?.group && <span className="ck-group" aria-hidden="true">{choice.group}</span>}
                <div
                  role="option"
                  id={`${id}-${index}`}
                  aria-selected={index === active}
                  className="ck-menu-item"
                  ref={(element) => void (index === active && element?.scrollIntoView({ block: 'nearest' }))}
                  // The field keeps the focus.
                  onPointerDown={(event) => event.preventDefault()}
                  onPointerMove={() => index !== active && setActive(index)}
                  onClick={choice.choose}
                >
                  {choice.icon && <Icon name={choice.icon} />}
                  <span className="ck-menu-text">
                    <bdi>{choice.label}</bdi>
                    {choice.description && <small>{choice.description}</small>}
                  </span>
                </div>
              </li>
            ))}
          </ul>
          {shown?.entity?.interactive && client.host.has('entities.onRequestPreview') && (
            <div className="ck-suggestion-preview">
              <EntityPreview key={shown.key} entity={shown.entity} />
            </div>
          )}
        </div>
      )}
      <div
        ref={root}
        className="ck-field"
        role="textbox"
        aria-multiline="true"
        aria-label={label}
        aria-placeholder={placeholder}
        aria-disabled={disabled || undefined}
        aria-autocomplete="list"
        aria-controls={isOpen ? id : undefined}
        aria-activedescendant={isOpen ? `${id}-${active}` : undefined}
        contentEditable={!disabled}
        suppressContentEditableWarning
        spellCheck
        // Without a text, that of the interface.
        dir={empty ? direction : 'auto'}
        tabIndex={0}
        data-empty={empty || undefined}
        data-placeholder={placeholder}
        onInput={changed}
        onKeyUp={(event) => {
          if (event.key.startsWith('Arrow') && !isOpen) changed();
        }}
        onKeyDown={onKeyDown}
        onBlur={() => setTrigger(null)}
        onPaste={(event) => {
          event.preventDefault();
          const files = [...event.clipboardData.files];
          if (files.length) return onFiles(files);
          const text = event.clipboardData.getData('text/plain');
          if (text && root.current) insertText(root.current, text.replaceAll('\r\n', '\n'));
        }}
        onDrop={(event) => {
          // Files go to the whole view; of a text only the text.
          if (event.dataTransfer.files.length) return;
          event.preventDefault();
          const text = event.dataTransfer.getData('text/plain');
          if (text && root.current) insertText(root.current, text);
        }}
      />
    </div>
  );
}
