/** Each component that the types of `@openai/chatkit` name is drawn; a new one is a compile error here. */
import type { Widgets } from '@openai/chatkit';
import type { COMPONENTS } from '../src/widgets/Node';

type Named = (Widgets.WidgetComponent | Widgets.WidgetRoot | Widgets.ListViewItem)['type'];
type Missing = Exclude<Named, keyof typeof COMPONENTS>;

const missing: [Missing] extends [never] ? true : Missing = true;
void missing;
