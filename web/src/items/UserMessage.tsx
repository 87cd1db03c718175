import type { ReactNode } from 'react';
import { useLanguage } from '../i18n/i18n';
import { Icon } from '../icons/Icon';
import type { Attachment, UserMessageItem } from '../protocol/types';
import { EntityTag } from './EntityTag';

export function UserMessage({ item }: { item: UserMessageItem }): ReactNode {
  const { t } = useLanguage();
  return (
    <div className="ck-user">
      <h2 className="ck-hidden">{t('you')}</h2>
      {!!item.attachments?.length && (
        <ul className="ck-attachments">
          {item.attachments.map((attachment) => (
            <li key={attachment.id}>
              <AttachmentView attachment={attachment} />
            </li>
          ))}
        </ul>
      )}
      {item.quoted_text && <blockquote className="ck-quote" dir="auto">{item.quoted_text}</blockquote>}
      {!!item.content.length && (
        <p className="ck-bubble" dir="auto">
          {item.content.map((part, index) =>
            part.type === 'input_tag' ? (
              <EntityTag
                key={index}
                entity={{ id: part.id, title: part.text, group: part.group ?? undefined, interactive: part.interactive, data: part.data as Record<string, string> }}
              />
            ) : (
              part.text
            ),
          )}
        </p>
      )}
    </div>
  );
}

export function AttachmentView({ attachment }: { attachment: Attachment }): ReactNode {
  if (attachment.type === 'image' && attachment.preview_url) {
    return (
      <a href={attachment.preview_url} target="_blank" rel="noreferrer" className="ck-attached-image">
        <img src={attachment.preview_url} alt={attachment.name} loading="lazy" />
      </a>
    );
  }
  return (
    <span className="ck-file">
      <Icon name="document" />
      <span dir="auto">{attachment.name}</span>
    </span>
  );
}
