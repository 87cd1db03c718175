/** What the composer holds besides its text: attachments, a quote, the tool and the model. */
import type { ModelOption, ToolOption } from '@openai/chatkit';
import type { ChatClient, OutgoingMessage } from '../client';
import type { Methods } from '../host/host';
import type { Attachment, UserMessageContent } from '../protocol/types';
import { Store } from '../store';
import { problemOf, type FileProblem } from './limits';

export interface PendingFile {
  key: string;
  name: string;
  mimeType: string;
  /** Of an image of this machine, for its preview. */
  url: string | null;
  /** 0 to 1; null: as much as is known. */
  progress: number | null;
  attachment: Attachment | null;
  problem: FileProblem | null;
}

export interface ComposerValue {
  files: readonly PendingFile[];
  quote: string | null;
  toolId: string | null;
  modelId: string | null;
  /** Why the last file was refused. */
  refused: { name: string; problem: FileProblem } | null;
}

/** The field, which holds the text. */
export interface Editor {
  focus(): void;
  getContent(): UserMessageContent[];
  setContent(content: readonly UserMessageContent[]): void;
  /** At the caret, or at the end. */
  insert(text: string): void;
  startMention(): void;
}

let keys = 0;

export class ComposerState extends Store<ComposerValue> {
  editor: Editor | null = null;
  /** Content that was set before the field was there. */
  #early: readonly UserMessageContent[] | null = null;
  #aborts = new Map<string, AbortController>();

  constructor(private readonly client: ChatClient) {
    super({ files: [], quote: null, toolId: null, modelId: null, refused: null });
  }

  attachEditor(editor: Editor | null): void {
    this.editor = editor;
    if (editor && this.#early) {
      editor.setContent(this.#early);
      this.#early = null;
    }
  }

  focus(): void {
    this.editor?.focus();
  }

  get tool(): ToolOption | undefined {
    return this.client.options.get().composer?.tools?.find(({ id }) => id === this.get().toolId);
  }

  get model(): ModelOption | undefined {
    const models = this.client.options.get().composer?.models?.filter(({ disabled }) => !disabled);
    return models?.find(({ id }) => id === this.get().modelId) ?? models?.find((model) => model.default) ?? models?.[0];
  }

  selectTool(toolId: string | null): void {
    if (toolId === this.get().toolId) return;
    this.patch({ toolId });
    this.client.emit('chatkit.tool.change', { toolId });
  }

  setContent(content: readonly UserMessageContent[]): void {
    if (this.editor) this.editor.setContent(content);
    else this.#early = content;
  }

  async setValue(value: Parameters<Methods['setComposerValue']>[0]): Promise<void> {
    if (value.content) this.setContent(value.content.map((part) => (part.type === 'input_tag' ? { ...part, data: part.data ?? {} } : part)));
    else if (value.text !== undefined) this.setContent(value.text ? [{ type: 'input_text', text: value.text }] : []);
    if (value.reply !== undefined) this.patch({ quote: value.reply || null });
    if (value.attachments) {
      const files = value.attachments.map((attachment) => ready(attachment));
      this.patch({ files: [...this.get().files, ...files] });
    }
    if (value.selectedToolId !== undefined) this.selectTool(value.selectedToolId);
    if (value.selectedModelId !== undefined) this.patch({ modelId: value.selectedModelId });
    if (value.files) await this.addFiles(value.files);
  }

  /** Put a message back, in front of what has been written since. */
  restore({ content, attachments, quote, inference }: OutgoingMessage): void {
    const written = this.editor?.getContent() ?? [];
    const own = this.get().quote;
    // There is room for one quote.
    const quoted: UserMessageContent[] = quote && own ? [{ type: 'input_text', text: `> ${quote}\n` }] : [];
    const gap: UserMessageContent[] = content.length && written.length ? [{ type: 'input_text', text: '\n' }] : [];
    this.setContent([...quoted, ...content, ...gap, ...written]);
    this.patch({ files: [...attachments.map(ready), ...this.get().files], quote: own ?? quote });
    if (inference.tool_choice && !this.tool) this.selectTool(inference.tool_choice.id);
    this.focus();
  }

  // Files

  /** Upload files; each that is refused says why. */
  async addFiles(files: readonly File[]): Promise<void> {
    const { composer } = this.client.options.get();
    this.patch({ refused: null });
    await Promise.all(
      files.map((file) => {
        const problem = problemOf(file, composer?.attachments, this.get().files.length);
        if (problem) return this.patch({ refused: { name: file.name, problem } });
        return this.#upload(file);
      }),
    );
  }

  async #upload(file: File): Promise<void> {
    const key = `file-${++keys}`;
    const abort = new AbortController();
    this.#aborts.set(key, abort);
    const url = file.type.startsWith('image/') && file.type !== 'image/svg+xml' ? URL.createObjectURL(file) : null;
    const entry: PendingFile = { key, name: file.name, mimeType: file.type, url, progress: null, attachment: null, problem: null };
    this.patch({ files: [...this.get().files, entry] });
    try {
      const attachment = await this.client.api.upload(file, abort.signal, (progress) => this.#change(key, { progress }));
      this.#change(key, { attachment, progress: 1 });
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#change(key, { problem: { kind: 'failed', message: (error as Error).message || null } });
      this.client.onError(error as Error);
    } finally {
      this.#aborts.delete(key);
    }
  }

  #change(key: string, part: Partial<PendingFile>): void {
    this.patch({ files: this.get().files.map((file) => (file.key === key ? { ...file, ...part } : file)) });
  }

  removeFile(key: string): void {
    const file = this.get().files.find((each) => each.key === key);
    this.#aborts.get(key)?.abort();
    this.patch({ files: this.get().files.filter((each) => each.key !== key), refused: null });
    if (file?.url) URL.revokeObjectURL(file.url);
    if (file?.attachment) {
      this.client.api.request('attachments.delete', { attachment_id: file.attachment.id }).catch((error: Error) => this.client.onError(error));
    }
  }

  // Sending

  /** Send what the composer holds. False: there is nothing, or a file is not there yet. */
  submit(): boolean {
    const { files, quote } = this.get();
    const content = this.editor?.getContent() ?? [];
    const attachments = files.flatMap(({ attachment }) => attachment ?? []);
    if (attachments.length < files.length || (!content.length && !attachments.length)) return false;
    const { tool, model } = this;
    const inference = { ...(tool && { tool_choice: { id: tool.id } }), ...(model && { model: model.id }) };
    this.client.send({ content, attachments: attachments.map((each, index) => withPreview(each, files[index])), quote, inference }).catch(() => {});
    this.editor?.setContent([]);
    this.patch({ files: [], quote: null, refused: null });
    if (tool && !tool.persistent) this.selectTool(null);
    return true;
  }
}

function ready(attachment: Attachment): PendingFile {
  const url = attachment.type === 'image' ? attachment.preview_url : null;
  return { key: `file-${++keys}`, name: attachment.name, mimeType: attachment.mime_type, url, progress: 1, attachment, problem: null };
}

/** Until the server has confirmed the message, the preview is the file of this machine. */
function withPreview(attachment: Attachment, file: PendingFile | undefined): Attachment {
  return attachment.type === 'image' && !attachment.preview_url && file?.url ? { ...attachment, preview_url: file.url } : attachment;
}
