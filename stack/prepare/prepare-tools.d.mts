export function prepareTools(root: string, wanted?: readonly object[]): Promise<void>;
