import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The keys of one project, or the tombstone of keys that were destroyed. Never deleted. */
@Entity({ schema: 'vault', name: 'project_keys' })
export class ProjectKeysRow {
  @PrimaryColumn({ name: 'project_id', type: 'text' })
  projectId!: string;

  @Column({ type: 'text' })
  wrapped!: string;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  /** When the copy in the bucket was found equal. */
  @Column({ name: 'copied_at', type: 'timestamptz', nullable: true })
  copiedAt!: Date | null;

  @Column({ name: 'erased_at', type: 'timestamptz', nullable: true })
  erasedAt!: Date | null;
}

/** The credentials of one bucket. */
@Entity({ schema: 'vault', name: 'bucket_credentials' })
export class BucketCredentialsRow {
  @PrimaryColumn({ name: 'bucket_id', type: 'text' })
  bucketId!: string;

  @Column({ type: 'text' })
  wrapped!: string;

  @Column({ name: 'changed_at', type: 'timestamptz' })
  changedAt!: Date;
}
