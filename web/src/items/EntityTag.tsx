import type { Entity } from '@openai/chatkit';
import { Suspense, useEffect, useState, type ReactNode } from 'react';
import { useClient } from '../client';
import { useLanguage } from '../i18n/i18n';
import { Icon } from '../icons/Icon';
import type { WidgetNode } from '../protocol/types';
import { useStore } from '../store';
import { schemeOf } from '../theme/theme';
import { WidgetView } from '../widgets';
import { HoverCard } from './Popover';

/** A mention. One that is interactive has a preview, and sends the page its clicks. */
export function EntityTag({ entity, label }: { entity: Entity; label?: string }): ReactNode {
  const client = useClient();
  const text = (
    <>
      {entity.icon && <Icon name={entity.icon} />}
      <bdi>{label ?? entity.title}</bdi>
    </>
  );
  if (!entity.interactive) return <span className="ck-tag">{text}</span>;
  return (
    <HoverCard label={entity.title} card={() => <EntityPreview entity={entity} />}>
      {(anchor) => (
        <button type="button" className="ck-tag" {...anchor} onClick={() => client.clickEntity(entity)}>
          {text}
        </button>
      )}
    </HoverCard>
  );
}

/** The page's preview of an entity; without one, its title and group. */
export function EntityPreview({ entity, subtitle }: { entity: Entity; subtitle?: string | null }): ReactNode {
  const client = useClient();
  const { locale } = useLanguage();
  const { theme, widgets } = useStore(client.options);
  const [widget, setWidget] = useState<WidgetNode | null>(null);
  useEffect(() => {
    let current = true;
    client.previewEntity(entity).then(
      (preview) => current && setWidget(preview),
      (error: Error) => client.onError(error),
    );
    return () => {
      current = false;
    };
    // The same entity may come as another object.
  }, [client, entity.id]);
  const plain = (
    <div className="ck-source">
      <span className="ck-source-title">
        {entity.icon && <Icon name={entity.icon} />}
        <span dir="auto">{entity.title}</span>
      </span>
      {(subtitle ?? entity.group) && <small dir="auto">{subtitle ?? entity.group}</small>}
    </div>
  );
  if (!widget) return plain;
  return (
    <Suspense fallback={plain}>
      <WidgetView widget={widget} itemId={entity.id} locale={locale} colorScheme={schemeOf(theme)} components={widgets?.components} onAction={async () => {}} />
    </Suspense>
  );
}
