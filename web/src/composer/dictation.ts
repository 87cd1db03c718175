/** Dictation: record in the frame, let the server write it down. */
import { useEffect, useRef, useState } from 'react';
import { useClient } from '../client';

export type DictationPhase = 'idle' | 'recording' | 'transcribing' | 'refused' | 'failed';

export interface Dictation {
  phase: DictationPhase;
  /** How long it has been recording, in seconds. */
  seconds: number;
  start(): void;
  stop(): void;
  cancel(): void;
}

export function useDictation(onText: (text: string) => void): Dictation {
  const client = useClient();
  const [phase, setPhase] = useState<DictationPhase>('idle');
  const [seconds, setSeconds] = useState(0);
  const recorder = useRef<MediaRecorder>(null);
  const cancelled = useRef(false);

  useEffect(() => {
    if (phase !== 'recording') return;
    const timer = setInterval(() => setSeconds((before) => before + 1), 1000);
    return () => clearInterval(timer);
  }, [phase]);
  // The microphone does not stay open behind a view that is gone.
  useEffect(() => () => recorder.current?.stream.getTracks().forEach((track) => track.stop()), []);

  const record = async (): Promise<void> => {
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      setPhase('refused');
      client.onError(error as Error);
      return;
    }
    const parts: Blob[] = [];
    const current = new MediaRecorder(stream);
    recorder.current = current;
    cancelled.current = false;
    current.ondataavailable = ({ data }) => void (data.size && parts.push(data));
    current.onstop = () => {
      stream.getTracks().forEach((track) => track.stop());
      recorder.current = null;
      if (cancelled.current) setPhase('idle');
      else void transcribe(new Blob(parts, { type: current.mimeType }));
    };
    current.start();
    setSeconds(0);
    setPhase('recording');
  };

  const transcribe = async (sound: Blob): Promise<void> => {
    setPhase('transcribing');
    try {
      const { text } = await client.api.request('input.transcribe', { audio_base64: await base64(sound), mime_type: sound.type });
      setPhase('idle');
      if (text) onText(text);
    } catch (error) {
      setPhase('failed');
      client.onError(error as Error);
    }
  };

  return {
    phase,
    seconds,
    start: () => void record(),
    stop: () => recorder.current?.stop(),
    cancel: () => {
      cancelled.current = true;
      recorder.current?.stop();
    },
  };
}

function base64(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve((reader.result as string).split(',', 2)[1] ?? '');
    reader.onerror = () => reject(reader.error as Error);
    reader.readAsDataURL(blob);
  });
}
