/** The places and hosts of the local stack. */
export const REGIONS = [
  { id: 'eu-west', name: 'Europe (Dublin)', latitude: 53.35, longitude: -6.26 },
  { id: 'us-east', name: 'America (Virginia)', latitude: 39.04, longitude: -77.49 },
] as const;

export type RegionId = (typeof REGIONS)[number]['id'];

export interface LocalHost {
  readonly hostId: string;
  readonly name: string;
  readonly regionId: string;
}

export const HOSTS: readonly LocalHost[] = [
  { hostId: 'eu-1', name: 'First host in Dublin', regionId: 'eu-west' },
  { hostId: 'us-1', name: 'First host in Virginia', regionId: 'us-east' },
];
