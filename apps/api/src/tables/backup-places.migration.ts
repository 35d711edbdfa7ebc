import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Backups that were recorded late get back the place that they had lost, and what has a place needs no guess. Looks among
 * backups that are there for certain, and for those of a deletion, cost what they find.
 */
export class BackupPlaces1764900000000 implements MigrationInterface {
  readonly name = 'BackupPlaces1764900000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  /** What was put right stays. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX api.backup_unplaced, api.backup_certain, api.backup_deletion');
    await runner.query(
      'CREATE INDEX backup_unplaced ON api.backup (project_id, began_position, position) WHERE unplaced',
    );
  }
}

const UP = [
  `UPDATE api.backup SET began_position = operation.began_position FROM api.operation
    WHERE backup.began_position = 0 AND operation.id = operation_id AND operation.project_id = backup.project_id
      AND operation.kind = 'backup' AND operation.began_position IS NOT NULL`,
  'UPDATE api.backup SET unplaced = false WHERE unplaced AND began_position > 0',
  // Some versions had these under the name of an earlier migration.
  'DROP INDEX IF EXISTS api.backup_unplaced, api.backup_certain, api.backup_deletion',
  `CREATE INDEX backup_unplaced ON api.backup (project_id, began_position, position)
     WHERE unplaced AND restorable AND maybe_deleted_by IS NULL AND damaged_position IS NULL`,
  'CREATE INDEX backup_certain ON api.backup (project_id, began_position, position) WHERE maybe_deleted_by IS NULL',
  'CREATE INDEX backup_deletion ON api.backup (project_id, maybe_deleted_by) WHERE maybe_deleted_by IS NOT NULL',
];
