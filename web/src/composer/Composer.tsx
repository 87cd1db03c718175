import type { Command } from '@openai/chatkit';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useClient } from '../client';
import { formatBytes, formatDuration, useLanguage, type Language } from '../i18n/i18n';
import { Icon } from '../icons/Icon';
import { ArrowUp, Mic, Plus, Stop, X } from '../icons/essential';
import { usePart, useStore } from '../store';
import { IconButton } from '../ui/IconButton';
import { Menu, type MenuEntry } from '../ui/Menu';
import { useDictation } from './dictation';
import { Field } from './Field';
import { acceptAttribute, type FileProblem } from './limits';
import type { PendingFile } from './state';

export function Composer(): ReactNode {
  const client = useClient();
  const language = useLanguage();
  const { t, locale } = language;
  const { composer: options, entities, commands } = useStore(client.options);
  const { files, quote, toolId, modelId, refused } = useStore(client.composer);
  const session = useStore(client.active);
  const phase = usePart(session, (state) => state.phase);
  const canStop = usePart(session, (state) => state.canStop);
  const status = usePart(session, ({ thread }) => thread?.status);
  const [isEmpty, setEmpty] = useState(true);
  const picker = useRef<HTMLInputElement>(null);
  const dictation = useDictation((text) => client.composer.editor?.insert(text));

  const tool = client.composer.tool;
  const model = client.composer.model;
  const isBusy = phase !== 'idle';
  const isActive = (status?.type ?? 'active') === 'active';
  const attachable = options?.attachments?.enabled === true;
  const isReady = (!isEmpty || files.length > 0) && files.every(({ attachment }) => attachment !== null);

  const submit = (): void => {
    if (isReady && !isBusy && isActive) client.composer.submit();
  };
  const addFiles = (added: File[]): void => {
    if (attachable && isActive) void client.composer.addFiles(added);
  };

  const unpinned = options?.tools?.filter(({ pinned }) => !pinned) ?? [];
  const entries: MenuEntry[] = [
    ...(attachable ? [{ key: 'attach', label: t('attach'), icon: <Icon name="paperclip" />, onSelect: () => picker.current?.click() }] : []),
    ...unpinned.map(({ id, label, icon }) => ({
      key: `tool-${id}`,
      label,
      icon: <Icon name={icon} />,
      onSelect: () => {
        client.composer.selectTool(id);
        client.composer.focus();
      },
    })),
  ];
  const actions: Command[] = commands?.enabled
    ? [
        ...(attachable ? [{ id: 'attach', label: t('attach'), icon: 'paperclip' as Command['icon'] }] : []),
        ...(options?.tools ?? []).map(({ id, label, icon }) => ({ id: `tool-${id}`, label, icon })),
      ]
    : [];

  const canMention = entities?.showComposerMenu && client.host.has('entities.onTagSearch');
  // With nothing to choose, the buttons stand beside the text.
  const isCompact = !entries.length && !canMention && !options?.tools?.length && !options?.models?.length;

  if (!isActive) return <InactiveNotice />;
  return (
    <form
      className="ck-composer"
      data-compact={isCompact || undefined}
      aria-label={t('placeholder')}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {quote !== null && (
        <div className="ck-composer-quote">
          <blockquote dir="auto">{quote}</blockquote>
          <IconButton label={t('removeQuote')} onClick={() => client.composer.patch({ quote: null })}><X /></IconButton>
        </div>
      )}
      {files.length > 0 && (
        <ul className="ck-pending-files">
          {files.map((file) => (
            <PendingFileView key={file.key} file={file} />
          ))}
        </ul>
      )}
      {refused && <p className="ck-refused" role="alert">{problemText(refused.name, refused.problem, language)}</p>}
      {(dictation.phase === 'refused' || dictation.phase === 'failed') && (
        <p className="ck-refused" role="alert">{t(dictation.phase === 'refused' ? 'noMicrophone' : 'dictationFailed')}</p>
      )}
      <Field
        label={t('placeholder')}
        placeholder={tool?.placeholderOverride ?? options?.placeholder ?? t('placeholder')}
        disabled={false}
        onSubmit={submit}
        onFiles={addFiles}
        onEmpty={setEmpty}
        actions={actions}
        onAction={(id) => (id === 'attach' ? picker.current?.click() : client.composer.selectTool(id.slice(5)))}
      />
      <div className="ck-composer-bar">
        {entries.length > 0 && (
          <Menu label={t('add')} entries={entries} side="above">
            <Plus />
          </Menu>
        )}
        {attachable && (
          <input
            ref={picker}
            type="file"
            hidden
            multiple={(options?.attachments?.maxCount ?? 10) > 1}
            accept={acceptAttribute(options?.attachments?.accept)}
            onChange={(event) => {
              addFiles([...(event.target.files ?? [])]);
              event.target.value = '';
            }}
          />
        )}
        {canMention && (
          <IconButton label={t('mention')} onClick={() => client.composer.editor?.startMention()}>
            <Icon name="at-sign" />
          </IconButton>
        )}
        {options?.tools?.map(({ id, label, shortLabel, icon, pinned }) =>
          id === toolId ? (
            <button key={id} type="button" className="ck-chip" data-selected aria-pressed onClick={() => client.composer.selectTool(null)} title={t('clearTool', { label })}>
              <Icon name={icon} />
              <span>{shortLabel ?? label}</span>
              <X aria-hidden="true" />
            </button>
          ) : pinned ? (
            <button key={id} type="button" className="ck-chip" aria-pressed={false} aria-label={label} onClick={() => client.composer.selectTool(id)}>
              <Icon name={icon} />
              <span>{shortLabel ?? label}</span>
            </button>
          ) : null,
        )}
        <span className="ck-space" />
        {!!options?.models?.length && (
          <select className="ck-select" aria-label={t('model')} value={modelId ?? model?.id ?? ''} onChange={(event) => client.composer.patch({ modelId: event.target.value })}>
            {options.models.map(({ id, label, description, disabled }) => (
              <option key={id} value={id} disabled={disabled} title={description}>{label}</option>
            ))}
          </select>
        )}
        {options?.dictation?.enabled && <DictationButton dictation={dictation} locale={locale} />}
        {isBusy ? (
          <IconButton label={t('stop')} className="ck-send" disabled={!canStop || phase === 'stopping'} onClick={() => void session.stop()}>
            <Stop />
          </IconButton>
        ) : (
          <IconButton label={t('send')} type="submit" className="ck-send" disabled={!isReady}>
            <ArrowUp />
          </IconButton>
        )}
      </div>
    </form>
  );
}

function DictationButton({ dictation, locale }: { dictation: ReturnType<typeof useDictation>; locale: string }): ReactNode {
  const { t } = useLanguage();
  const { phase, seconds, start, stop, cancel } = dictation;
  useEffect(() => {
    if (phase !== 'recording') return;
    const escape = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') cancel();
    };
    addEventListener('keydown', escape);
    return () => removeEventListener('keydown', escape);
  });
  if (phase === 'transcribing') {
    return <span className="ck-quiet ck-shimmer" role="status">{t('transcribing')}</span>;
  }
  if (phase !== 'recording') return <IconButton label={t('dictate')} onClick={start}><Mic /></IconButton>;
  return (
    <>
      <span className="ck-recording" role="timer">{formatDuration(seconds, locale)}</span>
      <IconButton label={t('cancel')} onClick={cancel}><X /></IconButton>
      <IconButton label={t('stopDictating')} onClick={stop}><Icon name="check" /></IconButton>
    </>
  );
}

function PendingFileView({ file }: { file: PendingFile }): ReactNode {
  const client = useClient();
  const language = useLanguage();
  const { t } = language;
  const { key, name, url, progress, attachment, problem } = file;
  return (
    <li className="ck-pending-file" data-failed={problem ? true : undefined} title={problem ? problemText(name, problem, language) : name}>
      {url ? <img src={url} alt="" /> : <Icon name="document" />}
      <span className="ck-pending-name" dir="auto">{name}</span>
      {problem && <span className="ck-hidden" role="alert">{problemText(name, problem, language)}</span>}
      {!attachment && !problem && (progress === null ? <span className="ck-spinner" role="img" aria-label={t('uploading', { name })} /> : <progress value={progress} max={1} aria-label={t('uploading', { name })} />)}
      <IconButton label={t('removeFile', { name })} onClick={() => client.composer.removeFile(key)}><X /></IconButton>
    </li>
  );
}

function problemText(name: string, problem: FileProblem, { t, locale }: Language): string {
  switch (problem.kind) {
    case 'too_large':
      return t('fileTooLarge', { name, limit: formatBytes(problem.limit, locale) });
    case 'too_many':
      return t('tooManyFiles', { count: problem.limit });
    case 'wrong_type':
      return t('wrongFileType', { name });
    default:
      return [t('uploadFailed', { name }), problem.message].filter(Boolean).join(': ');
  }
}

/** A thread that takes no more messages says why, and offers a new one. */
function InactiveNotice(): ReactNode {
  const client = useClient();
  const { t } = useLanguage();
  const session = useStore(client.active);
  const status = usePart(session, ({ thread }) => thread?.status);
  if (!status || status.type === 'active') return null;
  return (
    <div className="ck-inactive" role="status">
      <span className="ck-grow" dir="auto">{status.reason || t(status.type)}</span>
      <button type="button" className="ck-button" onClick={() => void client.setThreadId(null)}>{t('startNew')}</button>
    </div>
  );
}
