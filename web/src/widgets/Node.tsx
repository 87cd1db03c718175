/** One component of a widget by its type. What is unknown or fails leaves a note, and the rest is shown. */
import { Component, use, type ComponentType, type ReactNode } from 'react';
import { useLanguage } from '../i18n/i18n';
import type { WidgetNode } from '../protocol/types';
import { Scope } from './actions';
import { Chart } from './Chart';
import { Badge, Caption, Icon, Image, Label, Markdown, Text, Title } from './content';
import { Button, Checkbox, DatePicker, Input, RadioGroup, Select, Textarea } from './controls';
import { Basic, Box, Card, Col, Divider, Form, ListView, ListViewItem, Row, Spacer, Table, TableCell, TableRow, Transition } from './layout';
import { PageComponent } from './PageComponent';
import { children } from './values';

export const COMPONENTS = {
  Badge,
  Basic,
  Box,
  Button,
  Caption,
  Card,
  Chart,
  Checkbox,
  Col,
  DatePicker,
  Divider,
  Form,
  Icon,
  Image,
  Input,
  Label,
  ListView,
  ListViewItem,
  Markdown,
  RadioGroup,
  Row,
  Select,
  Spacer,
  Table,
  'Table.Cell': TableCell,
  'Table.Row': TableRow,
  Text,
  Textarea,
  Title,
  Transition,
} as const;

const known = new Map<string, ComponentType<{ node: WidgetNode }>>(Object.entries(COMPONENTS));

interface BoundaryState {
  failed: boolean;
  node: WidgetNode | null;
}

class Boundary extends Component<{ node: WidgetNode; children: ReactNode }, BoundaryState> {
  override state: BoundaryState = { failed: false, node: null };
  static getDerivedStateFromError(): Partial<BoundaryState> {
    return { failed: true };
  }
  /** The next version of the component is tried again. */
  static getDerivedStateFromProps({ node }: { node: WidgetNode }, state: BoundaryState): BoundaryState | null {
    return node === state.node ? null : { failed: false, node };
  }
  override render(): ReactNode {
    return this.state.failed ? <Note text="brokenItem" type={this.props.node.type} /> : this.props.children;
  }
}

function Note({ text: key, type }: { text: 'brokenItem' | 'unknownComponent'; type: string }): ReactNode {
  const { t } = useLanguage();
  return (
    <p className="ckw-note" role="note">
      {t(key, { type })}
    </p>
  );
}

export function Node({ node }: { node: WidgetNode }): ReactNode {
  const { components } = use(Scope);
  const View = known.get(node.type);
  const source = !View && components && Object.hasOwn(components, node.type) ? components[node.type] : undefined;
  if (source?.src) return <PageComponent key={source.src} node={node} source={source} />;
  if (!View)
    return (
      <>
        <Note text="unknownComponent" type={node.type} />
        <Children node={node} />
      </>
    );
  return (
    <Boundary node={node}>
      <View node={node} />
    </Boundary>
  );
}

export function Children({ node }: { node: WidgetNode }): ReactNode {
  return children(node).map((child, index) => <Node key={child.key ?? child.id ?? index} node={child} />);
}
