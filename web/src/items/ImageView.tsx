import { useState, type ReactNode } from 'react';
import { useLanguage } from '../i18n/i18n';
import type { GeneratedImage } from '../protocol/types';

interface ImageViewProps {
  image: GeneratedImage | null;
  /** 0 to 1. */
  progress: number | null;
  isOpen: boolean;
}

/** A generated image; while it is being generated, its newest preview, ever less blurred. */
export function ImageView({ image, progress, isOpen }: ImageViewProps): ReactNode {
  const { t } = useLanguage();
  const [broken, setBroken] = useState<string | null>(null);
  if (!image && !isOpen) return <p className="ck-quiet">{t('imageFailed')}</p>;
  if (image && broken === image.url) return <p className="ck-quiet">{t('imageFailed')}</p>;
  return (
    <figure className="ck-image" data-open={isOpen || undefined}>
      {image ? (
        <a href={image.url.startsWith('data:') ? undefined : image.url} target="_blank" rel="noreferrer" title={t('openImage')}>
          <img src={image.url} alt={t('generatedImage')} style={isOpen ? { filter: `blur(${12 * (1 - (progress ?? 0))}px)` } : undefined} onError={() => setBroken(image.url)} />
        </a>
      ) : (
        <div className="ck-image-empty ck-shimmer" />
      )}
      {isOpen && (
        <figcaption className="ck-quiet">
          {t('generatingImage')}
          {progress !== null && <progress value={progress} max={1} aria-label={t('generatingImage')} />}
        </figcaption>
      )}
    </figure>
  );
}
