/** The icons of the first view; all others are loaded after it (`Icon`). */
export {
  ArrowUp,
  ChevronDownMd as ChevronDown,
  ComposeEditSquare as Compose,
  History,
  Mic,
  Plus,
  Stop,
  X,
} from '@openai/apps-sdk-ui/components/Icon';
