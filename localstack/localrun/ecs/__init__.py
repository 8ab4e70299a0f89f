"""ECS in place of Fargate: the four calls the product makes, with a task definition's command run as a process."""
