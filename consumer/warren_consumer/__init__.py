"""The consumer: task -> result.

    main, composition     the command, and what it puts together
    runtime, health       the life of the process, and what it says about itself
    worker                deliveries from a pool's queue, each seen to its end; with it assignment, slots, execution
    closing               carries out what follows an attempt; `warren.settlement` decides it
    handlers, functions   who does which task; training and prediction are the large ones
    system, depths        the system pool, and how much lies in the queues, which it judges by

Forbidden here: importing another deployable (producer, operator).
"""
