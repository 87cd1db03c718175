/** The wire types of ChatKit: items, events, requests and responses, as `chatkit.types` of openai-chatkit 1.6 has them. */

export interface Page<T> {
  data: T[];
  has_more: boolean;
  after?: string | null;
}

// Threads

export type ThreadStatus =
  | { type: 'active' }
  | { type: 'locked'; reason?: string | null }
  | { type: 'closed'; reason?: string | null };

export interface ThreadMetadata {
  id: string;
  title?: string | null;
  created_at: string;
  status?: ThreadStatus;
  /** Hosts from which images of answers may be loaded; none given: all. */
  allowed_image_domains?: string[] | null;
  metadata?: Record<string, unknown>;
}

export interface Thread extends ThreadMetadata {
  items: Page<ThreadItem>;
}

// Items

interface ItemBase {
  id: string;
  thread_id: string;
  created_at: string;
}

export interface UserMessageItem extends ItemBase {
  type: 'user_message';
  content: UserMessageContent[];
  attachments: Attachment[];
  quoted_text?: string | null;
  inference_options: InferenceOptions;
}

export interface AssistantMessageItem extends ItemBase {
  type: 'assistant_message';
  content: AssistantMessageContent[];
}

export interface ClientToolCallItem extends ItemBase {
  type: 'client_tool_call';
  status: 'pending' | 'completed';
  call_id: string;
  name: string;
  arguments: Record<string, unknown>;
  output?: unknown;
}

export interface WidgetItem extends ItemBase {
  type: 'widget';
  widget: WidgetNode;
  copy_text?: string | null;
}

export interface GeneratedImage {
  id: string;
  url: string;
}

export interface GeneratedImageItem extends ItemBase {
  type: 'generated_image';
  image?: GeneratedImage | null;
  /** Ours, from the updates: 0 to 1 while the image is being generated. */
  progress?: number | null;
}

export interface StructuredInputAnswer {
  values: string[];
  skipped: boolean;
}

interface StructuredInputBase {
  id: string;
  question: string;
  answer?: StructuredInputAnswer | null;
}

export interface MultipleChoiceInput extends StructuredInputBase {
  type: 'multiple_choice';
  options: { value: string }[];
  multiple?: boolean;
}

export interface FreeformInput extends StructuredInputBase {
  type: 'freeform';
  description?: string | null;
}

export type StructuredInput = MultipleChoiceInput | FreeformInput;

export interface StructuredInputItem extends ItemBase {
  type: 'structured_input';
  status: 'pending' | 'answered' | 'skipped';
  inputs: StructuredInput[];
}

export interface TaskItem extends ItemBase {
  type: 'task';
  task: Task;
}

export interface WorkflowItem extends ItemBase {
  type: 'workflow';
  workflow: Workflow;
}

export interface EndOfTurnItem extends ItemBase {
  type: 'end_of_turn';
}

/** Never shown; a server should not send one. */
export interface HiddenItem extends ItemBase {
  type: 'hidden_context_item' | 'sdk_hidden_context';
  content: unknown;
}

export type ThreadItem =
  | UserMessageItem
  | AssistantMessageItem
  | ClientToolCallItem
  | WidgetItem
  | GeneratedImageItem
  | StructuredInputItem
  | TaskItem
  | WorkflowItem
  | EndOfTurnItem
  | HiddenItem;

// Messages

export interface AssistantMessageContent {
  type: 'output_text';
  text: string;
  annotations: Annotation[];
}

export interface Annotation {
  type: 'annotation';
  source: Source;
  /** The position in the text, in characters, after which the source is referred to; without one, at the text's end. */
  index?: number | null;
}

interface SourceBase {
  title: string;
  description?: string | null;
  timestamp?: string | null;
  group?: string | null;
}

export interface FileSource extends SourceBase {
  type: 'file';
  filename: string;
}

export interface UrlSource extends SourceBase {
  type: 'url';
  url: string;
  attribution?: string | null;
}

export interface EntitySource extends SourceBase {
  type: 'entity';
  id: string;
  icon?: string | null;
  label?: string | null;
  inline_label?: string | null;
  interactive?: boolean;
  data?: Record<string, unknown>;
}

export type Source = FileSource | UrlSource | EntitySource;

export interface UserMessageText {
  type: 'input_text';
  text: string;
}

export interface UserMessageTag {
  type: 'input_tag';
  id: string;
  text: string;
  data: Record<string, unknown>;
  group?: string | null;
  interactive?: boolean;
}

export type UserMessageContent = UserMessageText | UserMessageTag;

export interface InferenceOptions {
  tool_choice?: { id: string } | null;
  model?: string | null;
}

export interface UserMessageInput {
  content: UserMessageContent[];
  /** Ids. */
  attachments: string[];
  quoted_text?: string | null;
  inference_options: InferenceOptions;
}

// Attachments

export interface UploadDescriptor {
  url: string;
  method: 'POST' | 'PUT';
  headers?: Record<string, string>;
}

interface AttachmentBase {
  id: string;
  name: string;
  mime_type: string;
  upload_descriptor?: UploadDescriptor | null;
  thread_id?: string | null;
}

export interface FileAttachment extends AttachmentBase {
  type: 'file';
}

export interface ImageAttachment extends AttachmentBase {
  type: 'image';
  preview_url: string;
}

export type Attachment = FileAttachment | ImageAttachment;

// Workflows and tasks

export interface Workflow {
  type: 'custom' | 'reasoning';
  tasks: Task[];
  summary?: WorkflowSummary | null;
  expanded?: boolean;
}

/** `duration` is in seconds. */
export type WorkflowSummary = { title: string; icon?: string | null } | { duration: number };

interface TaskBase {
  status_indicator?: 'none' | 'loading' | 'complete';
  title?: string | null;
}

export interface CustomTask extends TaskBase {
  type: 'custom';
  icon?: string | null;
  content?: string | null;
}

export interface SearchTask extends TaskBase {
  type: 'web_search';
  title_query?: string | null;
  queries: string[];
  sources: UrlSource[];
}

export interface ThoughtTask extends TaskBase {
  type: 'thought';
  content: string;
}

export interface FileTask extends TaskBase {
  type: 'file';
  sources: FileSource[];
}

export interface ImageTask extends TaskBase {
  type: 'image';
}

export type Task = CustomTask | SearchTask | ThoughtTask | FileTask | ImageTask;

// Widgets

/** A component of a widget as JSON; the types of each are in `@openai/chatkit` (Widgets). */
export interface WidgetNode {
  type: string;
  id?: string | null;
  key?: string | null;
  children?: unknown;
  [prop: string]: unknown;
}

export interface ActionConfig {
  type: string;
  payload?: unknown;
  /** Default: `server`. */
  handler?: 'client' | 'server';
  /** Default: `auto`. */
  loadingBehavior?: 'auto' | 'none' | 'self' | 'container';
  /** Default: true; false sends `threads.sync_custom_action`. */
  streaming?: boolean;
}

// Events of a stream

export type ItemUpdate =
  | { type: 'assistant_message.content_part.added'; content_index: number; content: AssistantMessageContent }
  | { type: 'assistant_message.content_part.text_delta'; content_index: number; delta: string }
  | {
      type: 'assistant_message.content_part.annotation_added';
      content_index: number;
      annotation_index: number;
      annotation: Annotation;
    }
  | { type: 'assistant_message.content_part.done'; content_index: number; content: AssistantMessageContent }
  | { type: 'widget.streaming_text.value_delta'; component_id: string; delta: string; done: boolean }
  | { type: 'widget.component.updated'; component_id: string; component: WidgetNode }
  | { type: 'widget.root.updated'; widget: WidgetNode }
  | { type: 'workflow.task.added'; task_index: number; task: Task }
  | { type: 'workflow.task.updated'; task_index: number; task: Task }
  | { type: 'generated_image.updated'; image: GeneratedImage; progress?: number | null };

export interface ErrorEvent {
  type: 'error';
  code: string;
  message?: string | null;
  allow_retry: boolean;
}

export interface NoticeEvent {
  type: 'notice';
  level: 'info' | 'warning' | 'danger';
  /** Markdown. */
  message: string;
  title?: string | null;
}

export interface ProgressEvent {
  type: 'progress_update';
  icon?: string | null;
  text: string;
}

export type StreamEvent =
  | { type: 'thread.created'; thread: Thread }
  | { type: 'thread.updated'; thread: Thread }
  | { type: 'thread.item.added'; item: ThreadItem }
  | { type: 'thread.item.updated'; item_id: string; update: ItemUpdate }
  | { type: 'thread.item.done'; item: ThreadItem }
  | { type: 'thread.item.removed'; item_id: string }
  | { type: 'thread.item.replaced'; item: ThreadItem }
  | { type: 'stream_options'; stream_options: { allow_cancel: boolean } }
  | { type: 'client_effect'; name: string; data: Record<string, unknown> }
  | ProgressEvent
  | ErrorEvent
  | NoticeEvent;

// Requests

export interface ListParams {
  limit?: number;
  order?: 'asc' | 'desc';
  after?: string | null;
}

export interface CustomActionParams {
  thread_id: string;
  item_id?: string | null;
  action: { type: string; payload?: unknown };
}

export interface StructuredInputSubmission {
  status: 'answered' | 'skipped';
  answers: Record<string, StructuredInputAnswer>;
}

/** Requests that are answered by a stream of events, by their type. */
export interface StreamingRequests {
  'threads.create': { input: UserMessageInput };
  'threads.add_user_message': { input: UserMessageInput; thread_id: string };
  'threads.add_client_tool_output': { thread_id: string; result: unknown };
  'threads.add_structured_input': { thread_id: string; item_id: string; input: StructuredInputSubmission };
  'threads.retry_after_item': { thread_id: string; item_id: string };
  'threads.custom_action': CustomActionParams;
}

/** Requests that are answered at once, by their type. */
export interface PlainRequests {
  'threads.get_by_id': { params: { thread_id: string }; response: Thread };
  'threads.list': { params: ListParams; response: Page<Thread> };
  'items.list': { params: ListParams & { thread_id: string }; response: Page<ThreadItem> };
  'items.feedback': { params: { thread_id: string; item_ids: string[]; kind: 'positive' | 'negative' }; response: unknown };
  'attachments.create': { params: { name: string; size: number; mime_type: string }; response: Attachment };
  'attachments.delete': { params: { attachment_id: string }; response: unknown };
  'threads.update': { params: { thread_id: string; title: string }; response: Thread };
  'threads.delete': { params: { thread_id: string }; response: unknown };
  'input.transcribe': { params: { audio_base64: string; mime_type: string }; response: { text: string } };
  'threads.sync_custom_action': { params: CustomActionParams; response: { updated_item?: ThreadItem | null } };
}
