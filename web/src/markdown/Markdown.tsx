import type { ReactNode } from 'react';
import type { MarkdownProps } from './index';

export default function Markdown({ source }: MarkdownProps): ReactNode {
  return <div className="ck-markdown">{source}</div>;
}
