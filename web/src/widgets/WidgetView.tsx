import type { ReactNode } from 'react';
import type { WidgetNode } from '../protocol/types';
import type { WidgetViewProps } from './index';

export default function WidgetView({ widget }: WidgetViewProps): ReactNode {
  return <Node node={widget} />;
}

function Node({ node }: { node: WidgetNode }): ReactNode {
  if (typeof node.value === 'string') return <p>{node.value}</p>;
  const children = Array.isArray(node.children) ? (node.children as WidgetNode[]) : [];
  return <div>{children.map((child, index) => <Node key={child.key ?? child.id ?? index} node={child} />)}</div>;
}
