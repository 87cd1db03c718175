import type { Entity } from '@openai/chatkit';
import { Suspense, useCallback, type ReactNode } from 'react';
import { useClient } from '../client';
import { useLanguage } from '../i18n/i18n';
import { Icon } from '../icons/Icon';
import { Markdown } from '../markdown';
import type { ThreadSession } from '../protocol/session';
import type { Annotation, AssistantMessageItem, EntitySource, Source } from '../protocol/types';
import { usePart } from '../store';
import { EntityPreview, EntityTag } from './EntityTag';
import { HoverCard } from './Popover';

interface AssistantMessageProps {
  item: AssistantMessageItem;
  session: ThreadSession;
  isOpen: boolean;
}

export function AssistantMessage({ item, session, isOpen }: AssistantMessageProps): ReactNode {
  const { t } = useLanguage();
  const imageHosts = usePart(session, ({ thread }) => thread?.allowed_image_domains);
  const renderAnnotations = useCallback((group: readonly Annotation[]) => <Citations group={group} />, []);
  return (
    <div className="ck-assistant" aria-busy={isOpen}>
      <h2 className="ck-hidden">{t('assistant')}</h2>
      {item.content.map((part, index) => (
        <Suspense key={index} fallback={<div className="ck-markdown ck-plain" dir="auto">{part.text}</div>}>
          <Markdown
            source={part.text}
            streaming={isOpen}
            annotations={part.annotations}
            renderAnnotations={renderAnnotations}
            imageHosts={imageHosts}
          />
        </Suspense>
      ))}
    </div>
  );
}

/** The references of one place: the first by its name, the others by their number. */
function Citations({ group }: { group: readonly Annotation[] }): ReactNode {
  const sources = group.map(({ source }) => source);
  const entities = sources.filter((source) => source.type === 'entity');
  const others = sources.filter((source) => source.type !== 'entity');
  const first = others[0];
  return (
    <span className="ck-citations">
      {entities.map((source, index) => (
        <EntityCitation key={index} source={source} />
      ))}
      {first && (
        <HoverCard label={first.title} card={() => <SourceList sources={others} />}>
          {(anchor) =>
            first.type === 'url' ? (
              <a {...anchor} className="ck-citation" href={safeUrl(first.url)} target="_blank" rel="noreferrer">
                <CitationText source={first} more={others.length - 1} />
              </a>
            ) : (
              <button type="button" {...anchor} className="ck-citation">
                <CitationText source={first} more={others.length - 1} />
              </button>
            )
          }
        </HoverCard>
      )}
    </span>
  );
}

function CitationText({ source, more }: { source: Source; more: number }): ReactNode {
  return (
    <>
      <bdi>{shortNameOf(source)}</bdi>
      {more > 0 && <span>+{more}</span>}
    </>
  );
}

function EntityCitation({ source }: { source: EntitySource }): ReactNode {
  const client = useClient();
  const entity = entityOf(source);
  const content = source.inline_label ? <bdi>{source.inline_label}</bdi> : source.icon ? <Icon name={source.icon} /> : <bdi>{source.title}</bdi>;
  return (
    <HoverCard label={source.title} card={() => <EntityPreview entity={entity} subtitle={source.description ?? source.label} />}>
      {(anchor) => (
        <button
          type="button"
          {...anchor}
          className="ck-citation"
          aria-label={source.title}
          onClick={() => source.interactive && client.clickEntity(entity)}
        >
          {content}
        </button>
      )}
    </HoverCard>
  );
}

function SourceList({ sources }: { sources: readonly Source[] }): ReactNode {
  return (
    <ul className="ck-sources">
      {sources.map((source, index) => (
        <li key={index}>
          <SourceView source={source} />
        </li>
      ))}
    </ul>
  );
}

export function SourceView({ source }: { source: Source }): ReactNode {
  if (source.type === 'entity') return <EntityTag entity={entityOf(source)} label={source.inline_label ?? source.title} />;
  const details = [source.type === 'url' ? (source.attribution ?? hostOf(source.url)) : source.filename, source.timestamp];
  const text = (
    <>
      <span className="ck-source-title" dir="auto">{source.title}</span>
      <small dir="auto">{details.filter(Boolean).join(' · ')}</small>
      {source.description && <span className="ck-source-description" dir="auto">{source.description}</span>}
    </>
  );
  return source.type === 'url' ? (
    <a className="ck-source" href={safeUrl(source.url)} target="_blank" rel="noreferrer">{text}</a>
  ) : (
    <div className="ck-source">{text}</div>
  );
}

function entityOf({ id, title, icon, interactive, group, data }: EntitySource): Entity {
  return { id, title, interactive: interactive ?? false, ...(icon && { icon }), ...(group && { group }), data: (data ?? {}) as Record<string, string> };
}

function shortNameOf(source: Source): string {
  return source.type === 'url' ? (source.attribution ?? hostOf(source.url)) : source.title;
}

export function hostOf(url: string): string {
  try {
    return new URL(url).hostname.replace(/^www\./, '');
  } catch {
    return url;
  }
}

/** No address that runs a script. */
export function safeUrl(url: string): string | undefined {
  return /^(https?:|mailto:|tel:)/i.test(url) ? url : undefined;
}
