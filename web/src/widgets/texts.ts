/** The words of widgets, in English; the interface's language replaces them. */
export const texts = {
  clear: 'Clear',
  details: 'Details',
  more: (count: number) => `Show ${count} more`,
  less: 'Show less',
  format: 'Please match the requested format.',
  search: 'Search',
  nothing: 'No results',
  unknown: (type: string) => `This chat cannot show the component “${type}”.`,
  failed: (type: string) => `The component “${type}” could not be shown.`,
};
