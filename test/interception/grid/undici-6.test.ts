import { describeGrid } from "./describe-grid.ts";

describeGrid(6);
